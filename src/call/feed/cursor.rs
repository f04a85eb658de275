//! The text of cursors. A cursor has up to one number for each bucket, and a text of at most 1 KiB as long as the numbers
//! differ by less than 2³⁵, because only the differences are written.

use crate::{
    domain::AppId,
    opaque,
    store::{FeedCursor, HistoryPoint, MAX_BUCKETS},
};

/// The numbers of a text apart from those of the buckets: the two of the point, epoch, disbandings, and the least number
/// of a bucket.
const FIXED: usize = 5;

fn subject(app: AppId) -> String {
    format!("feed/{app}")
}

/// Returns the text of a cursor of this app.
pub(super) fn encode(app: AppId, cursor: &FeedCursor) -> String {
    let FeedCursor { point: HistoryPoint { run, event }, epoch, disbandings, buckets } = cursor;
    // A bucket without events has the number 0, however high the numbers of the others are.
    let least = buckets.iter().copied().filter(|number| *number > 0).min().unwrap_or(1);
    let mut numbers = vec![*run, *event, u64::from(*epoch), *disbandings, least];
    numbers.extend(buckets.iter().map(|number| if *number == 0 { 0 } else { number - least + 1 }));
    opaque::encode(&subject(app), &numbers)
}

/// Returns the cursor of this app with this text, or `None` if there is none.
pub(in crate::call) fn decode(app: AppId, text: &str) -> Option<FeedCursor> {
    let numbers = opaque::decode_all(&subject(app), text, FIXED + usize::from(MAX_BUCKETS))?;
    let (&[run, event, epoch, disbandings, least], differences) = numbers.split_first_chunk()?;
    let number = |difference: &u64| match difference.checked_sub(1) {
        None => Some(0),
        Some(more) => least.checked_add(more),
    };
    let buckets = differences.iter().map(number).collect::<Option<_>>()?;
    let epoch = u32::try_from(epoch).ok()?;
    Some(FeedCursor { point: HistoryPoint { run, event }, epoch, disbandings, buckets })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Above the length of any text.
    const ANY: usize = 2_000;

    fn app(number: u32) -> AppId {
        AppId::new(number).unwrap()
    }

    fn cursor(buckets: impl IntoIterator<Item = u64>) -> FeedCursor {
        FeedCursor {
            point: HistoryPoint { run: u64::MAX - 1, event: 1 << 53 },
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
            // A store that keeps all events in one order.
            (vec![1 << 53], 60),
            (vec![0; 64], 140),
            ((1..=64).collect(), 140),
            // Numbers of 53 bits that are close together, as after the table of events was replaced.
            (spread(28).map(|number| (1 << 53) - number).collect(), 770),
            (spread(35).map(|number| (1 << 53) - number).collect(), 1_024),
            // Some buckets without events beside buckets with high numbers.
            ((0..128).map(|bucket| if bucket % 3 == 0 { 0 } else { (1 << 52) + bucket }).collect(), 300),
            (spread(53).collect(), ANY),
            (spread(64).collect(), ANY),
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
        for bad in ["", "0", "latest", "!", &format!("{text}A"), &"A".repeat(9_000), "é"] {
            assert_eq!(decode(app(7), bad), None, "{bad}");
        }
        // Texts with a correct checksum and impossible numbers.
        let with = |numbers: &[u64]| decode(app(7), &opaque::encode(&subject(app(7)), numbers));
        assert!(with(&[1, 2, 3, 4, 5]).is_some());
        assert_eq!(with(&[1, 2, 3, 4]), None, "too few numbers");
        assert_eq!(with(&[1, 2, 1 << 32, 4, 5]), None, "no epoch");
        assert_eq!(with(&[1, 2, 3, 4, 5, u64::MAX]), None, "a number above the highest");
        assert_eq!(with(&[1; FIXED + 129]), None, "too many buckets");
    }
}
