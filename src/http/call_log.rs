//! The log lines of calls: at debug for every one, at info for failures, refused items and slow calls, at error
//! when the store failed. None holds a signature, a key or a body. Refusals in bulk are summed.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::Uri;
use tracing::{debug, error, info, warn};

use super::admission::{claimed, claimed_app};
use crate::{
    api::{Command, Error, OWNER},
    chance,
    domain::AppId,
    excerpt, masking,
    store::StoreError,
    wire::{Node, code::Code},
};

/// A call that takes longer gets a line at info.
pub(super) const SLOW: Duration = Duration::from_millis(500);

/// How many refusals and failures get a line of their own in one second. The others are summed.
const LINES_PER_SECOND: u64 = 50;

/// The longest id of a request that is taken over from its header `X-Request-Id`.
const ID_BYTES: usize = 64;

/// What is known of a request when it ends. A line of the log finds in it what only the log shows, because most
/// refusals in bulk get no line.
pub(super) struct Entry<'a> {
    pub(super) id: &'a str,
    pub(super) command: Option<Command>,
    pub(super) app: Option<AppId>,
    pub(super) took: Duration,
    pub(super) source: IpAddr,
    /// Its query says who called and for which app; that is verified only when the call was let in.
    pub(super) uri: &'a Uri,
    /// As far as it was read. It may name the owner.
    pub(super) body: &'a [u8],
    /// The codes of single items that were refused, and how often.
    pub(super) items: &'a BTreeMap<u32, u32>,
}

macro_rules! line {
    ($level:ident, $entry:expr, $code:expr, $($rest:tt)+) => {
        $level!(
            request = $entry.id,
            app = $entry.app.or_else(|| claimed_app($entry.uri)).map(AppId::number),
            command = $entry.command.map(Command::name),
            code = $code.number(),
            ms = ($entry.took.as_secs_f64() * 1e6).round() / 1e3,
            source = %$entry.source,
            identifier = claimed($entry.uri).as_deref().map(shown).as_deref(),
            owner = owner_of($entry.body).as_deref().map(shown).as_deref(),
            $($rest)+
        )
    };
}

/// A caller's text as a line shows it: without a signature that stands in the wrong place, and in short.
fn shown(text: &str) -> String {
    excerpt::plain(&masking::text(text)).to_string()
}

/// The owner that a body names.
fn owner_of(body: &[u8]) -> Option<String> {
    let node = Node::parse(body).ok()?;
    let Some(Node::Text(owner)) = node.member(OWNER.name) else { return None };
    Some(owner.to_string())
}

impl Entry<'_> {
    /// Logs a call that was answered; `hint` is what confold says of an item where its reply is the vendor's sentence.
    pub(super) fn succeeded(&self, hint: Option<&str>, lines: &LogBudget, now: Duration) {
        if !self.items.is_empty() && lines.take(Code::OK, now) {
            let items = self.items.iter().map(|(code, count)| format!("{code} x{count}"));
            line!(info, self, Code::OK, items = items.collect::<Vec<_>>().join(", "), hint, "items refused");
        } else if self.took >= SLOW && lines.take(Code::OK, now) {
            line!(info, self, Code::OK, "slow call");
        } else {
            line!(debug, self, Code::OK, "call");
        }
    }

    /// Logs a call that was refused or failed, for the reason `why`.
    pub(super) fn failed(&self, code: Code, reason: &Error, why: &str, lines: &LogBudget, now: Duration) {
        if !lines.take(code, now) {
            return;
        }
        // A store's own words are for the log alone.
        match reason {
            Error::Store(StoreError::Busy) => line!(warn, self, code, error = why, "failed call"),
            Error::Store(inner) => line!(error, self, code, error = %inner, "failed call"),
            _ => line!(info, self, code, error = why, "failed call"),
        }
    }

    /// Logs a refused request of the tools.
    pub(super) fn refused(&self, path: &str, code: Code, why: &str, lines: &LogBudget, now: Duration) {
        if lines.take(code, now) {
            line!(info, self, code, path, error = why, "refused request");
        }
    }
}

/// How many lines were written in the present second, and what got none.
#[derive(Debug, Default)]
pub(super) struct LogBudget {
    /// The second in the upper half, the lines in it in the lower.
    window: AtomicU64,
    /// Codes that got no line, and how often.
    summed: Mutex<BTreeMap<u32, u64>>,
}

impl LogBudget {
    /// Whether a refusal may have a line of its own at `now` of the monotonic clock; it is summed otherwise.
    pub(super) fn take(&self, code: Code, now: Duration) -> bool {
        let second = now.as_secs() << 32;
        let one_more = |seen: u64| {
            let in_window = if seen >> 32 >= second >> 32 { seen } else { second };
            (in_window & 0xffff_ffff < LINES_PER_SECOND).then_some(in_window + 1)
        };
        let taken = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok();
        if !taken {
            self.sum(code);
        }
        taken
    }

    /// Counts a refusal that gets no line of its own.
    pub(super) fn sum(&self, code: Code) {
        *self.summed.lock().unwrap_or_else(PoisonError::into_inner).entry(code.number()).or_default() += 1;
    }

    /// Logs what was summed since the last time. Called about once a second.
    pub(super) fn report(&self) {
        let summed = std::mem::take(&mut *self.summed.lock().unwrap_or_else(PoisonError::into_inner));
        let all: u64 = summed.values().sum();
        if all > 0 {
            let codes = summed.iter().map(|(code, count)| format!("{code} x{count}")).collect::<Vec<_>>();
            info!(calls = all, codes = codes.join(", "), "further failed calls");
        }
    }
}

/// The id of a request, as its header `X-Request-Id` gives it, if that is short and plain.
pub(super) fn given_id(header: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let is_plain = (1..=ID_BYTES).contains(&header.len()) && header.bytes().all(plain);
    // Neither is what looks like a signature, which would then stand in the log.
    (is_plain && masking::text(header) == header).then_some(header)
}

/// A new id of a request: a random part per process and a count.
pub(super) fn new_id() -> String {
    static PROCESS: LazyLock<String> =
        LazyLock::new(|| chance::text(6, b"abcdefghijklmnopqrstuvwxyz0123456789"));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_bulk_get_few_lines_and_are_summed() {
        let lines = LogBudget::default();
        let at = Duration::from_millis;
        let taken = |now| (0..1_000).filter(|_| lines.take(Code::SIG_FORGED, now)).count();
        assert_eq!(taken(at(5_000)), 50);
        assert_eq!(taken(at(5_999)), 0);
        assert_eq!(taken(at(6_000)), 50);
        assert_eq!(*lines.summed.lock().unwrap(), BTreeMap::from([(70_009, 2_900)]));
        lines.report();
        assert!(lines.summed.lock().unwrap().is_empty());
    }

    #[test]
    fn only_short_and_plain_ids_are_taken_over() {
        assert_eq!(given_id("a1-B_2.c:3"), Some("a1-B_2.c:3"));
        let long = "x".repeat(65);
        for bad in ["", "a b", "a\"b", "é", long.as_str()] {
            assert_eq!(given_id(bad), None, "{bad}");
        }
    }
}
