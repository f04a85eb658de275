//! The text of cursors. A cursor has up to one number for each bucket, and a text of at most 1 KiB as long as the numbers
//! differ by less than 2⁴⁵, because only the differences are written.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    domain::AppId,
    store::{FeedCursor, MAX_BUCKETS},
};

/// The version of the binary form.
const VERSION: u8 = 1;
/// The longest text of a cursor: with differences of 64 bits.
const LONGEST: usize = 1_536;
/// The number of bytes of the checksum.
const SUM: usize = 4;

/// Returns the text of a cursor of this app.
pub(super) fn encode(app: AppId, cursor: &FeedCursor) -> String {
    let FeedCursor { incarnation, epoch, disbandings, buckets } = cursor;
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&incarnation.to_be_bytes());
    put(u64::from(*epoch), &mut bytes);
    put(*disbandings, &mut bytes);
    bytes.push(u8::try_from(buckets.len()).unwrap_or(u8::MAX));
    // A bucket without events has the number 0, however high the numbers of the others are.
    let least = buckets.iter().copied().filter(|number| *number > 0).min().unwrap_or(1);
    let difference = |number: u64| if number == 0 { 0 } else { number - least + 1 };
    let width = buckets.iter().map(|number| 64 - difference(*number).leading_zeros()).max().unwrap_or(0);
    put(least, &mut bytes);
    bytes.push(u8::try_from(width).unwrap_or(64));
    let (mut held, mut bits) = (0u128, 0);
    for number in buckets {
        held |= u128::from(difference(*number)) << bits;
        bits += width;
        while bits >= 8 {
            bytes.push((held & 0xff) as u8);
            (held, bits) = (held >> 8, bits - 8);
        }
    }
    if bits > 0 {
        bytes.push((held & 0xff) as u8);
    }
    bytes.extend_from_slice(&sum(app, &bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the cursor of this app with this text, or `None` if there is none.
pub(in crate::call) fn decode(app: AppId, text: &str) -> Option<FeedCursor> {
    if text.len() > LONGEST {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (bytes, found) = bytes.split_at_checked(bytes.len().checked_sub(SUM)?)?;
    if sum(app, bytes) != found {
        return None;
    }
    let (version, mut rest) = bytes.split_first()?;
    let incarnation = u64::from_be_bytes(rest.split_off(..8)?.try_into().ok()?);
    let epoch = u32::try_from(take(&mut rest)?).ok()?;
    let disbandings = take(&mut rest)?;
    let count = *rest.split_off_first()?;
    let least = take(&mut rest)?;
    let width = u32::from(*rest.split_off_first()?);
    let is_possible = *version == VERSION && count <= MAX_BUCKETS && width <= 64 && least > 0;
    let length = (usize::from(count) * width as usize).div_ceil(8);
    if !is_possible || rest.len() != length {
        return None;
    }
    let mut bytes = rest.iter();
    let (mut held, mut bits) = (0u128, 0);
    let mut buckets = Vec::with_capacity(count.into());
    for _ in 0..count {
        while bits < width {
            held |= u128::from(*bytes.next()?) << bits;
            bits += 8;
        }
        let difference = u64::try_from(held & ((1 << width) - 1)).ok()?;
        buckets.push(if difference == 0 { 0 } else { least.checked_add(difference - 1)? });
        (held, bits) = (held >> width, bits - width);
    }
    (held == 0).then_some(FeedCursor { incarnation, epoch, disbandings, buckets })
}

/// Returns a checksum. It finds cursors that were cut off or belong to another app, not intentional changes.
fn sum(app: AppId, bytes: &[u8]) -> [u8; SUM] {
    let of_app = app.number().to_be_bytes();
    let hash = (of_app.iter().chain(bytes))
        .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash.to_be_bytes()
}

/// Appends a number in groups of seven bits, lowest first.
fn put(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_shl(shift).filter(|moved| moved >> shift == bits)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(number: u32) -> AppId {
        AppId::new(number).unwrap()
    }

    fn cursor(buckets: impl IntoIterator<Item = u64>) -> FeedCursor {
        FeedCursor {
            incarnation: u64::MAX - 1,
            epoch: u32::MAX,
            disbandings: 1 << 53,
            buckets: buckets.into_iter().collect(),
        }
    }

    #[test]
    fn a_cursor_is_read_back_and_is_short() {
        let spread = |bits: u32| {
            (0..128u64).map(move |bucket| bucket.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits))
        };
        for (buckets, longest) in [
            (Vec::new(), 60),
            (vec![0; 64], 64),
            ((1..=64).collect(), 120),
            // Numbers of 53 bits that are close together, as after the table of events was replaced.
            (spread(30).map(|number| (1 << 53) - number).collect(), 700),
            (spread(45).map(|number| (1 << 53) - number).collect(), 1_024),
            // Some buckets without events beside buckets with high numbers.
            ((0..128).map(|bucket| if bucket % 3 == 0 { 0 } else { (1 << 52) + bucket }).collect(), 300),
            (spread(53).collect(), LONGEST),
            (spread(64).collect(), LONGEST),
            ((0..128).map(|bucket| u64::MAX - bucket).collect(), 300),
            (vec![u64::MAX, 1, 0], 100),
        ] {
            let cursor = cursor(buckets);
            let text = encode(app(7), &cursor);
            assert_eq!(decode(app(7), &text), Some(cursor), "{text}");
            assert!(text.len() <= longest, "{} characters, at most {longest}", text.len());
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        }
    }

    #[test]
    fn no_other_text_is_a_cursor() {
        let text = encode(app(7), &cursor((0..64).map(|bucket| bucket * 1_000)));
        assert_eq!(decode(app(8), &text), None, "a cursor of another app");
        for length in 0..text.len() {
            assert_eq!(decode(app(7), &text[..length]), None, "cut off after {length}");
        }
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(decode(app(7), std::str::from_utf8(&other).unwrap()), None, "changed at {at}");
        }
        for bad in ["", "0", "latest", "!", &format!("{text}A"), &"A".repeat(LONGEST + 1), "é"] {
            assert_eq!(decode(app(7), bad), None, "{bad}");
        }
        // Texts with a correct checksum and impossible content.
        let signed = |bytes: &[u8]| {
            let bytes = [bytes, &sum(app(7), bytes)].concat();
            decode(app(7), &URL_SAFE_NO_PAD.encode(bytes))
        };
        let head = [&[VERSION][..], &[0; 8]].concat();
        let with = |rest: &[u8]| signed(&[&head[..], rest].concat());
        assert!(with(&[0, 0, 1, 1, 1, 1]).is_some());
        assert_eq!(with(&[0, 0, 1, 1, 1, 3]), None, "bits that belong to no bucket");
        assert_eq!(with(&[0, 0, 129, 1, 0]), None, "too many buckets");
        assert_eq!(with(&[0, 0, 1, 1, 65, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None, "too many bits");
        assert_eq!(with(&[0, 0, 1, 0, 1, 1]), None, "numbers begin with 1");
        assert_eq!(with(&[0, 0, 1, 1, 1, 1, 0]), None, "a byte too many");
        assert_eq!(with(&[0xff; 12]), None, "a number without an end");
        assert_eq!(signed(&[&[2][..], &[0; 8], &[0, 0, 1, 1, 1, 1]].concat()), None, "another version");
    }
}
