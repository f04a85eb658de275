//! Opaque texts that clients keep and send back: a few numbers with a checksum.

use std::hash::Hasher;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use twox_hash::XxHash64;

/// The version of the binary form.
const VERSION: u8 = 1;
/// The number of bytes of the checksum.
const SUM: usize = 4;

/// Returns the text of some numbers. It can only be read again for the same `subject`, such as the name of what the numbers
/// are about.
#[must_use]
pub fn encode(subject: &str, numbers: &[u64]) -> String {
    let mut bytes = vec![VERSION];
    for number in numbers {
        let mut rest = *number;
        while rest >= 0x80 {
            bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        bytes.push(rest.to_le_bytes()[0]);
    }
    bytes.extend_from_slice(&sum(subject, &bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the `N` numbers of a text, or `None` if it was not made for this subject.
#[must_use]
pub fn decode<const N: usize>(subject: &str, text: &str) -> Option<[u64; N]> {
    decode_all(subject, text, N)?.try_into().ok()
}

/// Returns the numbers of a text, at most `most`, or `None` if it was not made for this subject.
#[must_use]
pub fn decode_all(subject: &str, text: &str, most: usize) -> Option<Vec<u64>> {
    // A number takes at most ten bytes.
    if text.len() > 2 * (10 * most + SUM + 1) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (bytes, found) = bytes.split_at_checked(bytes.len().checked_sub(SUM)?)?;
    let (version, mut rest) = bytes.split_first()?;
    if *version != VERSION || sum(subject, bytes) != found {
        return None;
    }
    let mut numbers = Vec::new();
    while !rest.is_empty() {
        numbers.push(take(&mut rest)?);
    }
    (numbers.len() <= most).then_some(numbers)
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

/// Returns a checksum. It finds texts that were cut off or belong to another subject, not intentional changes.
fn sum(subject: &str, bytes: &[u8]) -> [u8; SUM] {
    let mut hash = XxHash64::with_seed(0);
    hash.write(&(subject.len() as u64).to_le_bytes());
    hash.write(subject.as_bytes());
    hash.write(bytes);
    let [a, b, c, d, ..] = hash.finish().to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_again_for_the_same_subject_only(numbers: [u64; 3], subject in ".{0,8}", cut in 0..20usize) {
            let text = encode(&subject, &numbers);
            prop_assert_eq!(decode(&subject, &text), Some(numbers));
            prop_assert_eq!(decode::<2>(&subject, &text), None);
            prop_assert_eq!(decode::<3>(&format!("{subject}x"), &text), None);
            let cut = text.len().saturating_sub(cut + 1);
            prop_assert_eq!(decode::<3>(&subject, &text[..cut]), None);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,60}") {
            let _ = decode::<3>("", &text);
        }
    }

    #[test]
    fn the_form_is_pinned() {
        assert_eq!(encode("7/ann", &[0, 300, u64::MAX]), "AQCsAv___________wFhL5k8");
    }
}
