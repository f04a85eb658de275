//! Finds slow and idle connections, by one timer per connection, because hyper's time-out would set a timer per request.

use std::{sync::atomic::Ordering, time::Duration};

use super::activity::Activity;
use crate::log_lines::log;

/// How long the server waits for a slow or idle client.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The maximum time from the first byte of a request to the end of its head, and for a TLS handshake.
    pub head: Duration,
    /// The maximum time without a request and, while one is in progress, without a byte in either direction.
    pub idle: Duration,
}

/// Both limits of [`Patience`] for a connection that was accepted beyond the connection limit.
const PROBE: Duration = Duration::from_secs(1);

/// The lowest average rate, in bytes per second, at which bytes have to move while a request is in progress. Without
/// it, a client that sends or reads a byte now and then could hold an import or export open forever.
const SLOWEST: u64 = 1_024;

impl Activity {
    /// Returns how many bytes moved in the direction that matters: only outwards while answers wait to be read,
    /// because a client that sends but does not read makes no progress; both directions otherwise.
    fn progress(&self) -> u64 {
        let sent = self.sent.load(Ordering::Relaxed);
        match self.unsent() {
            0 => sent + self.received.load(Ordering::Relaxed),
            _ => sent,
        }
    }

    /// Waits until the connection is too slow and logs the reason, at most a quarter of the limit late. A call may
    /// legitimately take `call` without moving a byte, so its connection is never cut off sooner.
    pub(super) async fn until_too_slow(&self, patience: Patience, call: Duration) {
        let least = patience.head.min(patience.idle);
        let least = if self.is_probe() { least.min(PROBE) } else { least };
        let period = (least / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval(period);
        ticks.tick().await;
        let (mut finished, mut moved) = (0, 0);
        let (mut quiet, mut partial, mut slow, mut busy) =
            (Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let usual = patience;
        loop {
            ticks.tick().await;
            let patience = match self.is_probe() {
                false => usual,
                true => Patience { head: usual.head.min(PROBE), idle: usual.idle.min(PROBE) },
            };
            let now_finished = self.finished.load(Ordering::Relaxed);
            if now_finished != finished || !self.is_quiet() {
                (quiet, partial) = (Duration::ZERO, Duration::ZERO);
            } else {
                quiet += period;
                let waits = self.partial.load(Ordering::Relaxed);
                partial = if waits { partial + period } else { Duration::ZERO };
            }
            // During a request, the average rate counts, measured since it was last high enough.
            slow += period;
            let now_moved = self.progress();
            let enough = u128::from(SLOWEST) * slow.as_millis() / 1_000;
            // `progress` drops when it switches from both directions to one; measure afresh then.
            if now_finished != finished
                || self.is_waiting()
                || now_moved.checked_sub(moved).is_none_or(|more| u128::from(more) > enough)
            {
                (slow, moved) = (Duration::ZERO, now_moved);
            }
            if partial > patience.head {
                return log!(HEAD_TOO_SLOW);
            }
            if quiet > patience.idle {
                return log!(CONNECTION_IDLE);
            }
            busy = if self.is_quiet() || now_finished != finished { Duration::ZERO } else { busy + period };
            if busy > usual.head.max(call) && !self.is_signed() {
                return log!(UNSIGNED_TOO_SLOW);
            }
            finished = now_finished;
            if !self.is_quiet() && slow > usual.idle.saturating_add(call) {
                return log!(BYTES_TOO_SLOW);
            }
        }
    }
}
