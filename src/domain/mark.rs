//! Marks: the 64 standard bits and the custom text of a conversation.

use super::Rejection;

/// The number of one standard mark, 0 to 63.
///
/// The official Web SDK sends 0 for favourite, 1 for unread, 2 for folded and 3 for hidden, although Tencent's
/// documentation calls them "bit 1" to "bit 4". Applications may use bits 32 to 63 for marks of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkBit(u8);

impl MarkBit {
    /// Creates the mark with this number.
    ///
    /// # Errors
    /// Returns [`Rejection::MarkBit`] if the number is not within 0 to 63.
    pub fn new(number: i64) -> Result<MarkBit, Rejection> {
        u8::try_from(number)
            .ok()
            .filter(|bit| *bit < 64)
            .map(MarkBit)
            .ok_or(Rejection::MarkBit { found: number })
    }
}

/// The 64 standard marks of one conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StandardMark(u64);

impl StandardMark {
    /// No mark set.
    pub const NONE: StandardMark = StandardMark(0);

    /// Creates the marks whose bits are set in `bits`.
    #[must_use]
    pub fn from_bits(bits: u64) -> StandardMark {
        StandardMark(bits)
    }

    /// Returns the marks as a number, in which bit 0 is the least significant.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Checks whether no mark is set.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Checks whether all marks of `others` are set.
    #[must_use]
    pub fn has_all(self, others: StandardMark) -> bool {
        self.0 & others.0 == others.0
    }

    /// Checks whether at least one mark of `others` is set.
    #[must_use]
    pub fn has_any(self, others: StandardMark) -> bool {
        self.0 & others.0 != 0
    }

    /// Returns the marks with `bit` set.
    #[must_use]
    pub fn with(self, bit: MarkBit) -> StandardMark {
        StandardMark(self.0 | 1 << bit.0)
    }

    /// Returns the marks with `bit` cleared.
    #[must_use]
    pub fn without(self, bit: MarkBit) -> StandardMark {
        StandardMark(self.0 & !(1 << bit.0))
    }

    /// Appends the text form: a binary numeral without leading zeros, whose last character is bit 0. It is empty if no
    /// mark is set (decision 6, from recorded replies).
    pub fn write_text(self, out: &mut Vec<u8>) {
        let width = 64 - self.0.leading_zeros();
        out.extend((0..width).rev().map(|bit| b'0' + u8::from(self.0 >> bit & 1 == 1)));
    }

    /// Reads the text form: up to 64 characters, which may include leading zeros.
    ///
    /// # Errors
    /// Returns [`Rejection::MarkText`] for a longer text or other characters.
    pub fn parse(text: &str) -> Result<StandardMark, Rejection> {
        let wrong = || Rejection::MarkText { found: text.to_owned() };
        if text.len() > 64 {
            return Err(wrong());
        }
        text.bytes()
            .try_fold(0u64, |bits, byte| match byte {
                b'0' | b'1' => Ok(bits << 1 | u64::from(byte - b'0')),
                _ => Err(wrong()),
            })
            .map(StandardMark)
    }
}

/// The custom mark of one conversation: 1 to 256 bytes of text. A conversation without a custom mark has no value of
/// this type instead of an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomMark(Box<str>);

impl CustomMark {
    /// The maximum length of a custom mark, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 256;

    /// Reads a custom mark. An empty text means that there is none.
    ///
    /// # Errors
    /// Returns [`Rejection::CustomMarkLength`] above [`CustomMark::MAX_BYTES`].
    pub fn parse(text: &str) -> Result<Option<CustomMark>, Rejection> {
        if text.len() > Self::MAX_BYTES {
            return Err(Rejection::CustomMarkLength { bytes: text.len() });
        }
        Ok((!text.is_empty()).then(|| CustomMark(text.into())))
    }

    /// Returns the mark as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bits: &[i64]) -> String {
        let marks =
            bits.iter().fold(StandardMark::NONE, |marks, bit| marks.with(MarkBit::new(*bit).unwrap()));
        let mut out = Vec::new();
        marks.write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_last_character_is_bit_zero() {
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[0]), "1");
        assert_eq!(text(&[1]), "10");
        assert_eq!(text(&[0, 3, 4, 5]), "111001", "the sample in the documentation");
        assert_eq!(text(&[1, 2, 3, 4, 5, 6, 7]), "11111110", "the sample on a related page");
        assert_eq!(text(&[34]), format!("1{}", "0".repeat(34)), "a recorded reply");
        assert_eq!(text(&[63]), format!("1{}", "0".repeat(63)));
    }

    #[test]
    fn text_is_read_back() {
        for bits in [0, 1, 0b11_1001, u64::MAX, 1 << 63] {
            let mut out = Vec::new();
            StandardMark(bits).write_text(&mut out);
            assert_eq!(StandardMark::parse(std::str::from_utf8(&out).unwrap()), Ok(StandardMark(bits)));
        }
        assert_eq!(StandardMark::parse("011111110"), Ok(StandardMark(0b1111_1110)));
        assert!(StandardMark::parse("12").is_err());
        assert!(StandardMark::parse(&"1".repeat(65)).is_err());
    }

    #[test]
    fn bits_are_0_to_63() {
        assert!(MarkBit::new(0).is_ok() && MarkBit::new(63).is_ok());
        assert_eq!(MarkBit::new(64), Err(Rejection::MarkBit { found: 64 }));
        assert_eq!(MarkBit::new(-1), Err(Rejection::MarkBit { found: -1 }));
    }

    #[test]
    fn custom_marks_are_at_most_256_bytes_and_empty_means_none() {
        assert_eq!(CustomMark::parse(""), Ok(None));
        assert!(CustomMark::parse(&"x".repeat(256)).unwrap().is_some());
        assert_eq!(CustomMark::parse(&"x".repeat(257)), Err(Rejection::CustomMarkLength { bytes: 257 }));
        assert!(CustomMark::parse(&"测".repeat(86)).is_err(), "258 bytes");
    }
}
