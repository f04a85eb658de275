//! Request ids, taken from a header or generated on demand.

use std::sync::{
    LazyLock, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use crate::{masking, random};

/// The longest id that is accepted from a header.
const BYTES: usize = 64;

/// The id of one request. It is generated lazily, because most calls are not recorded anywhere and do not need one.
pub(super) struct Id<'a> {
    given: Option<&'a str>,
    made: OnceLock<String>,
}

impl<'a> Id<'a> {
    /// Uses the id in the header if it is short and plain, and generates one otherwise.
    pub(super) fn of(header: Option<&'a str>) -> Id<'a> {
        Id { given: header.and_then(plain), made: OnceLock::new() }
    }

    /// Returns whether the caller chose the id, and therefore gets it back.
    pub(super) fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// Returns the id.
    pub(super) fn get(&self) -> &str {
        self.given.unwrap_or_else(|| self.made.get_or_init(new))
    }
}

fn plain(header: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let is_plain = (1..=BYTES).contains(&header.len()) && header.bytes().all(plain);
    // Text that looks like a signature is refused, because the id appears in the log.
    (is_plain && masking::text(header) == header).then_some(header)
}

/// Generates an id from a random part per process and a counter.
fn new() -> String {
    static PROCESS: LazyLock<String> =
        LazyLock::new(|| random::text(6, b"abcdefghijklmnopqrstuvwxyz0123456789"));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_and_plain_ids_are_accepted() {
        assert_eq!(plain("a1-B_2.c:3"), Some("a1-B_2.c:3"));
        let long = "x".repeat(65);
        for bad in ["", "a b", "a\"b", "é", long.as_str()] {
            assert_eq!(plain(bad), None, "{bad}");
        }
    }
}
