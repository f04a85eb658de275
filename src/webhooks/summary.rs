//! The state of a destination.

/// A summary of all lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Whether the receiver refused to be sent anything more.
    pub is_off: bool,
    /// Whether the destination is paused, because every attempt failed for an hour.
    pub is_paused: bool,
    /// Since when every attempt has failed, in milliseconds since 1970.
    pub failing_since: Option<u64>,
    /// The number of lanes whose next event waits to be sent again.
    pub waiting: usize,
    /// The time of the oldest of these events, in milliseconds since 1970.
    pub oldest: Option<u64>,
}

impl Summary {
    /// Returns the state in one word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Summary { is_off: true, .. } => "off",
            Summary { is_paused: true, .. } => "paused",
            Summary { failing_since: Some(_), .. } => "failing",
            _ => "delivering",
        }
    }
}
