//! The metrics of a server, in the text format of Prometheus.
//!
//! All series exist from the beginning, so counting is one atomic addition. Their number is bounded by the numbers of
//! commands and codes.

mod apps;
mod callbacks;
mod connections;
mod exposition;
mod latency;
mod operations;
mod process;
mod store;
mod webhooks;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use apps::CallsOfApps;
pub use connections::ConnectionCounts;
pub use operations::{CertificateCounts, Operations};
pub use process::Process;

use self::{callbacks::Callbacks, exposition::Exposition, latency::Latency};
use crate::{
    api::{Absent, Command},
    auth::PreviousUse,
    store::Statistics,
    webhooks::Status,
    wire::code::Code,
};

/// One row for each command, and one for requests that name no command.
const COMMANDS: usize = Command::ALL.len() + 1;
/// One column for each code, and one for codes that only fault rules use.
const CODES: usize = Code::ALL.len() + 1;

/// The counters of one server.
#[derive(Debug)]
pub struct Metrics {
    calls: Box<[[AtomicU64; CODES]; COMMANDS]>,
    latencies: [Latency; COMMANDS],
    /// Refused items, by command and code.
    items: Box<[[AtomicU64; CODES]; COMMANDS]>,
    /// Calls of the vendor's commands that confold does not implement.
    absent: Box<[AtomicU64; Absent::COUNT]>,
    /// Imports, checks and exports, by task and by the code of the reply.
    transfers: Mutex<BTreeMap<(&'static str, u32), u64>>,
    /// Requests to the controls, by path and by the status of the response.
    controls: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// Received webhooks.
    callbacks: Callbacks,
    operations: Arc<Operations>,
}

/// Values that are collected when the metrics are rendered.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// The values of the store.
    pub store: Statistics,
    /// The number of verified signatures in memory.
    pub signatures: u64,
    /// The numbers of connections.
    pub connections: ConnectionCounts,
    /// The bytes that are reserved for request bodies.
    pub bodies: u64,
    /// The requests that were refused because the memory for bodies was used up.
    pub bodies_refused: u64,
    /// The readers of feeds, and the entries sent to them.
    pub feed: FeedCounts,
    /// The calls of each app.
    pub apps: CallsOfApps,
    /// How the previous keys of apps are used.
    pub previous_keys: Vec<PreviousUse>,
    /// The webhooks.
    pub webhooks: Vec<Status>,
    /// The values of the process.
    pub process: Process,
}

/// The counts of feeds.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedCounts {
    /// Current readers.
    pub readers: u64,
    /// Entries sent so far to all readers.
    pub events: u64,
    /// How long readers have been behind the changes.
    pub delay: Duration,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let none = |_| AtomicU64::new(0);
        Metrics {
            calls: Box::new(std::array::from_fn(|_| std::array::from_fn(none))),
            latencies: std::array::from_fn(|_| Latency::default()),
            items: Box::new(std::array::from_fn(|_| std::array::from_fn(none))),
            absent: Box::new(std::array::from_fn(none)),
            transfers: Mutex::default(),
            controls: Mutex::default(),
            callbacks: Callbacks::default(),
            operations: Arc::default(),
        }
    }
}

impl Metrics {
    /// Returns the counters of reloads.
    #[must_use]
    pub fn operations(&self) -> Arc<Operations> {
        Arc::clone(&self.operations)
    }

    /// Counts a completed call. `command` is `None` if the path does not name one.
    pub fn call(&self, command: Option<Command>, code: Code, took: Duration) {
        let command = command.map_or(COMMANDS - 1, |command| command as usize);
        self.calls[command][place_of(code.number())].fetch_add(1, Ordering::Relaxed);
        self.latencies[command].count(took);
    }

    /// Counts the refused items of a call, by code.
    pub fn refused_items(&self, command: Option<Command>, items: &BTreeMap<u32, u32>) {
        let Some(command) = command else { return };
        for (code, count) in items {
            self.items[command as usize][place_of(*code)].fetch_add(u64::from(*count), Ordering::Relaxed);
        }
    }

    /// Counts a call of a command that confold does not implement.
    pub fn absent(&self, absent: Absent) {
        self.absent[absent.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an export, an import or a check.
    pub fn transfer(&self, task: &'static str, code: Code) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        *transfers.entry((task, code.number())).or_default() += 1;
    }

    /// Counts a received webhook by its kind and what became of it.
    pub fn callback(&self, event: &str, result: &'static str) {
        self.callbacks.count(event, result);
    }

    /// Counts a request to the controls, by its path below `/_dev/`.
    pub fn control(&self, path: &'static str, status: u16) {
        let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        *controls.entry((path, status)).or_default() += 1;
    }

    /// Renders all metrics.
    #[must_use]
    pub fn text(&self, now: &Now) -> String {
        let mut out = Exposition::with_capacity(16 * 1024);
        by_code("confold_calls_total", "Calls by command and code of the reply.", &self.calls, &mut out);
        by_code(
            "confold_refused_items_total",
            "Single items refused by calls that succeeded, by command and code.",
            &self.items,
            &mut out,
        );
        let absent = "confold_unimplemented_calls_total";
        out.family(absent, "counter", "Calls of the vendor's commands that confold does not implement.");
        for (of, count) in Absent::all().zip(self.absent.iter()) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                out.sample(absent, &[("service", of.service()), ("command", of.command())], count);
            }
        }
        out.family("confold_transfers_total", "counter", "Imports, checks and exports by code of the reply.");
        for ((task, code), count) in self.transfers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            out.sample("confold_transfers_total", &[("task", task), ("code", &code.to_string())], count);
        }
        out.family("confold_controls_total", "counter", "Requests below /_dev/ by path and status.");
        for ((path, status), count) in self.controls.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            out.sample("confold_controls_total", &[("path", path), ("status", &status.to_string())], count);
        }
        out.family("confold_call_duration_seconds", "histogram", "Duration of calls in seconds.");
        for (command, latency) in self.latencies.iter().enumerate() {
            latency.render(name(command), &mut out);
        }
        connections::render(&now.connections, &mut out);
        out.alone(
            "confold_body_bytes",
            "gauge",
            "Bytes reserved for request bodies in progress; small bodies reserve none.",
            now.bodies,
        );
        out.alone(
            "confold_bodies_refused_total",
            "counter",
            "Calls refused because request bodies used all the memory that limits.bodies allows.",
            now.bodies_refused,
        );
        out.alone("confold_signatures_remembered", "gauge", "Verified signatures in memory.", now.signatures);
        out.alone("confold_feed_readers", "gauge", "Readers of feeds.", now.feed.readers);
        out.alone(
            "confold_feed_events_sent_total",
            "counter",
            "Events sent to readers of feeds.",
            now.feed.events,
        );
        out.alone(
            "confold_feed_delay_seconds",
            "gauge",
            "How long readers of feeds have been behind the changes, because sending gives way to writing.",
            now.feed.delay.as_secs_f64(),
        );
        apps::render(now, &mut out);
        store::render(now.store, &mut out);
        self.callbacks.render(&mut out);
        webhooks::render(&now.webhooks, &mut out);
        self.operations.render(&mut out);
        now.process.render(&mut out);
        out.family("confold_build_info", "gauge", "The running version.");
        out.sample("confold_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        out.into_text()
    }
}

/// Writes a table of counters by command and code, without zeros.
fn by_code(family: &str, help: &str, table: &[[AtomicU64; CODES]; COMMANDS], out: &mut Exposition) {
    out.family(family, "counter", help);
    for (command, codes) in table.iter().enumerate() {
        for (code, count) in codes.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let code =
                    Code::ALL.get(code).map_or("other".to_owned(), |(_, code)| code.number().to_string());
                out.sample(family, &[("command", name(command)), ("code", &code)], count);
            }
        }
    }
}

/// Returns the column of a code.
fn place_of(code: u32) -> usize {
    Code::ALL.binary_search_by_key(&code, |(_, code)| code.number()).unwrap_or(CODES - 1)
}

fn name(command: usize) -> &'static str {
    Command::ALL.get(command).map_or("none", |command| command.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_their_number() {
        assert!(Code::ALL.is_sorted_by_key(|(_, code)| code.number()), "the search needs them in order");
        let metrics = Metrics::default();
        metrics.call(Some(Command::MarkContact), Code::FREQUENCY, Duration::from_micros(300));
        metrics.call(Some(Command::MarkContact), Code::of(12345), Duration::from_secs(5));
        metrics.call(None, Code::RESOURCE, Duration::ZERO);
        let text = metrics.text(&Now::default());
        for line in [
            r#"confold_calls_total{command="mark_contact",code="60007"} 1"#,
            r#"confold_calls_total{command="mark_contact",code="other"} 1"#,
            r#"confold_calls_total{command="none",code="60009"} 1"#,
            r#"confold_call_duration_seconds_bucket{command="mark_contact",le="0.00025"} 0"#,
            r#"confold_call_duration_seconds_bucket{command="mark_contact",le="0.0005"} 1"#,
            r#"confold_call_duration_seconds_bucket{command="mark_contact",le="3"} 1"#,
            r#"confold_call_duration_seconds_bucket{command="mark_contact",le="+Inf"} 2"#,
            r#"confold_call_duration_seconds_sum{command="mark_contact"} 5.0003"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
