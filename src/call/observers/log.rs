//! Logs calls: every one at debug, failures, refused items and slow calls at info, and failures of the store at error.
//! Lines never contain a signature, a key or a body. Refusals beyond a rate are only counted and summarized.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    api::{Command, Error, OWNER},
    call::{
        access::claimed,
        exchange::{Exchange, Failure, Observer, Subject},
    },
    domain::AppId,
    excerpt,
    log_lines::log,
    masking,
    store::StoreError,
    wire::{Node, code::Code},
};

/// Calls that take at least this long are logged at info.
const SLOW: Duration = Duration::from_millis(500);

/// How many refusals and failures are logged individually per second. The rest are summarized.
const LINES_PER_SECOND: u64 = 50;

/// Writes a line about a call, with the fields that all of these lines have.
macro_rules! log_exchange {
    ($line:ident, $exchange:expr $(, $($rest:tt)+)?) => {
        log!(
            $line,
            request = $exchange.id(),
            app = $exchange.claimed_app().map(AppId::number),
            command = command_of($exchange.subject).map(Command::name),
            code = $exchange.code.number(),
            ms = ($exchange.took.as_secs_f64() * 1e6).round() / 1e3,
            dry_run = $exchange.dry_run.then_some(true),
            source = %$exchange.head.source,
            identifier = claimed($exchange.head.query).as_deref().map(shown).as_deref(),
            owner = owner_of($exchange.bodies.request).as_deref().map(shown).as_deref()
            $(, $($rest)+)?
        )
    };
}

/// Shortens text from a caller for the log, and masks a signature in the wrong place.
fn shown(text: &str) -> String {
    excerpt::plain(&masking::text(text)).to_string()
}

/// Returns the owner that a body names.
fn owner_of(body: &[u8]) -> Option<String> {
    let node = Node::parse(body).ok()?;
    let Some(Node::Text(owner)) = node.member(OWNER.name) else { return None };
    Some(owner.to_string())
}

fn command_of(subject: Subject<'_>) -> Option<Command> {
    match subject {
        Subject::Call(command) => command,
        Subject::Transfer(_) | Subject::Control(..) | Subject::Callback(..) | Subject::NoRoom => None,
    }
}

/// Logs calls.
pub(super) struct CallLog(pub(super) Arc<LogBudget>);

impl Observer for CallLog {
    /// The owner is taken from the body, but only if a line is written, because most refusals during a flood get none.
    fn wants_bodies(&self) -> bool {
        true
    }

    fn observe(&self, exchange: &Exchange<'_>) {
        match (exchange.subject, exchange.failure) {
            (Subject::Call(_), None) => self.succeeded(exchange),
            (Subject::Call(_), Some(failure)) => self.failed(exchange, failure),
            (Subject::Callback(event, result), None) => {
                log_exchange!(CALLBACK, exchange, event = shown(event).as_str(), result);
            }
            (Subject::Transfer(_) | Subject::Callback(..), Some(failure)) if self.may_write(exchange) => {
                log_exchange!(
                    REQUEST_REFUSED,
                    exchange,
                    path = &*masking::path(exchange.head.path),
                    error = failure.why()
                );
            }
            (Subject::NoRoom, _) => self.0.sum(exchange.code),
            (Subject::Transfer(_) | Subject::Callback(..) | Subject::Control(..), _) => {}
        }
    }
}

impl CallLog {
    fn may_write(&self, exchange: &Exchange<'_>) -> bool {
        self.0.take(exchange.code, exchange.head.started)
    }

    fn succeeded(&self, exchange: &Exchange<'_>) {
        if !exchange.items.is_empty() && self.may_write(exchange) {
            let items = exchange.items.iter().map(|(code, count)| format!("{code} x{count}"));
            let (items, hint) = (items.collect::<Vec<_>>().join(", "), exchange.item_hint);
            log_exchange!(ITEMS_REFUSED, exchange, items, hint);
        } else if exchange.took >= SLOW && self.may_write(exchange) {
            log_exchange!(SLOW_CALL, exchange);
        } else {
            log_exchange!(CALL, exchange);
        }
    }

    fn failed(&self, exchange: &Exchange<'_>, failure: &Failure<'_>) {
        if !self.may_write(exchange) {
            return;
        }
        // The error text of the store appears only in the log.
        match failure.error {
            Some(Error::Store(StoreError::Busy)) => {
                log_exchange!(CALL_NOT_QUEUED, exchange, error = failure.why());
            }
            // Conditions that do not hold are refusals like any other.
            Some(Error::Store(inner))
                if !matches!(inner, StoreError::Elsewhere(_) | StoreError::KeyReused) =>
            {
                log_exchange!(CALL_FAILED_IN_STORE, exchange, error = %inner);
            }
            _ => log_exchange!(CALL_FAILED, exchange, error = failure.why()),
        }
    }
}

/// How many lines were written in the current second, and the refusals that got none.
#[derive(Debug, Default)]
pub(in crate::call) struct LogBudget {
    /// The second in the upper half of the number, and its lines in the lower half.
    window: AtomicU64,
    /// The codes of refusals without a line, with their counts.
    summed: Mutex<BTreeMap<u32, u64>>,
}

impl LogBudget {
    /// Returns whether a refusal may be logged individually at `now` of the monotonic clock. Otherwise, counts it for
    /// the summary.
    pub(in crate::call) fn take(&self, code: Code, now: Duration) -> bool {
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

    /// Counts a refusal for the summary.
    pub(in crate::call) fn sum(&self, code: Code) {
        *self.summed.lock().unwrap_or_else(PoisonError::into_inner).entry(code.number()).or_default() += 1;
    }

    /// Logs the summary since the last time. Called about once a second.
    pub(in crate::call) fn report(&self) {
        let summed = std::mem::take(&mut *self.summed.lock().unwrap_or_else(PoisonError::into_inner));
        let all: u64 = summed.values().sum();
        if all > 0 {
            let codes = summed.iter().map(|(code, count)| format!("{code} x{count}")).collect::<Vec<_>>();
            log!(FURTHER_FAILED_CALLS, calls = all, codes = codes.join(", "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_gets_few_lines_and_a_summary() {
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
}
