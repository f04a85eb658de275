//! The histogram of the durations of one command's calls.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::exposition::Exposition;

/// The upper bounds of the latency histogram, in microseconds.
const BOUNDS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000, 3_000_000];

/// How many calls of a command took how long.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// For each bound, the calls that took at most this long, but longer than the bound before it.
    within: [AtomicU64; BOUNDS.len()],
    longer: AtomicU64,
    microseconds: AtomicU64,
}

impl Latency {
    /// Counts a call that took this long.
    pub(super) fn count(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| took <= *bound);
        place.map_or(&self.longer, |place| &self.within[place]).fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(took, Ordering::Relaxed);
    }

    /// Writes the series of a command, unless there was no call.
    pub(super) fn render(&self, command: &str, out: &mut Exposition) {
        let bucket = "confold_call_duration_seconds_bucket";
        let counts: Vec<u64> = self.within.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let all = counts.iter().sum::<u64>() + self.longer.load(Ordering::Relaxed);
        if all == 0 {
            return;
        }
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(counts) {
            below += count;
            let bound = seconds(*bound).to_string();
            out.sample(bucket, &[("command", command), ("le", &bound)], below);
        }
        out.sample(bucket, &[("command", command), ("le", "+Inf")], all);
        let sum = seconds(self.microseconds.load(Ordering::Relaxed));
        out.sample("confold_call_duration_seconds_sum", &[("command", command)], sum);
        out.sample("confold_call_duration_seconds_count", &[("command", command)], all);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum of microseconds above 2^53 would be 285 years")]
fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}
