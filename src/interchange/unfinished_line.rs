//! A line that arrives in pieces.

/// The longest accepted line. The largest possible owner has 10,000 conversations in 100 groups each, and 10,000 with a
/// custom mark in which every character is escaped; their line takes about 32 MiB.
pub(super) const LONGEST_LINE: usize = 40 << 20;

/// A line that has not been received completely.
#[derive(Default)]
pub(super) struct UnfinishedLine {
    pub(super) text: Vec<u8>,
    pub(super) too_long: bool,
}

impl UnfinishedLine {
    /// Appends a part of the line and returns whether the line is complete. The content of an overlong line is
    /// discarded; only the fact that it was too long is remembered.
    pub(super) fn add(&mut self, part: &[u8]) -> bool {
        let (text, whole) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
        if self.text.len() + text.len() > LONGEST_LINE {
            self.too_long = true;
            self.text = Vec::new();
        }
        if !self.too_long {
            self.text.extend_from_slice(text);
        }
        whole
    }
}
