//! The metrics of a server, in the text format of Prometheus.
//!
//! All series exist from the beginning, so counting is one atomic addition. Their number is bounded by the numbers of
//! commands and codes.

mod apps;
mod operations;
mod process;
mod store;
mod webhooks;

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use apps::CallsOfApps;
pub use operations::{CertificateCounts, Operations};
pub use process::Process;

use crate::{
    api::{Absent, Command},
    auth::PreviousUse,
    store::Statistics,
    webhooks::Status,
    wire::code::Code,
};

/// The upper bounds of the latency histogram, in microseconds.
const BOUNDS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000, 3_000_000];

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
    operations: Arc<Operations>,
}

#[derive(Debug, Default)]
struct Latency {
    /// For each bound, the calls that took at most this long, but longer than the bound before it.
    within: [AtomicU64; BOUNDS.len()],
    longer: AtomicU64,
    microseconds: AtomicU64,
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

/// The numbers of connections of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionCounts {
    /// Connections accepted so far.
    pub accepted: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Connections closed to make room for others, or because the client did not read.
    pub evicted: u64,
    /// Connections refused because their source had too many open.
    pub refused: u64,
    /// Bytes of responses that are waiting to be sent.
    pub unsent: u64,
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
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let latency = &self.latencies[command];
        let place = BOUNDS.iter().position(|bound| took <= *bound);
        place.map_or(&latency.longer, |place| &latency.within[place]).fetch_add(1, Ordering::Relaxed);
        latency.microseconds.fetch_add(took, Ordering::Relaxed);
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

    /// Counts a request to the controls, by its path below `/_dev/`.
    pub fn control(&self, path: &'static str, status: u16) {
        let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        *controls.entry((path, status)).or_default() += 1;
    }

    /// Renders all metrics.
    #[must_use]
    pub fn text(&self, now: &Now) -> String {
        let mut out = Exposition(String::with_capacity(16 * 1024));
        out.by_code("confold_calls_total", "Calls by command and code of the reply.", &self.calls);
        out.by_code(
            "confold_refused_items_total",
            "Single items refused by calls that succeeded, by command and code.",
            &self.items,
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
        let connections = &now.connections;
        out.alone(
            "confold_connections_accepted_total",
            "counter",
            "Connections accepted.",
            connections.accepted,
        );
        out.alone("confold_connections", "gauge", "Connections open.", connections.open);
        out.alone(
            "confold_connections_evicted_total",
            "counter",
            "Connections closed to make room for others, or because the client did not read.",
            connections.evicted,
        );
        out.alone(
            "confold_connections_refused_total",
            "counter",
            "Connections refused because their source had too many open.",
            connections.refused,
        );
        out.alone(
            "confold_unsent_bytes",
            "gauge",
            "Bytes of responses that are waiting to be sent.",
            connections.unsent,
        );
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
        webhooks::render(&now.webhooks, &mut out);
        self.operations.render(&mut out);
        let Process { start_seconds, cpu_seconds, resident_bytes, open_files, threads } = now.process;
        out.alone(
            "process_start_time_seconds",
            "gauge",
            "Start time of the process, in seconds since 1970.",
            start_seconds,
        );
        out.alone("process_cpu_seconds_total", "counter", "Processor time.", cpu_seconds);
        out.alone("process_resident_memory_bytes", "gauge", "Resident memory in bytes.", resident_bytes);
        out.alone("process_open_fds", "gauge", "Open files and sockets.", open_files);
        out.alone("process_threads", "gauge", "Threads.", threads);
        out.family("confold_build_info", "gauge", "The running version.");
        out.sample("confold_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        out.0
    }
}

impl Latency {
    /// Writes the series of a command, unless there was no call.
    fn render(&self, command: &str, out: &mut Exposition) {
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

/// Returns the column of a code.
fn place_of(code: u32) -> usize {
    Code::ALL.binary_search_by_key(&code, |(_, code)| code.number()).unwrap_or(CODES - 1)
}

fn name(command: usize) -> &'static str {
    Command::ALL.get(command).map_or("none", |command| command.name())
}

/// Builds the text, line by line.
struct Exposition(String);

impl Exposition {
    /// Writes a table of counters by command and code, without zeros.
    fn by_code(&mut self, family: &str, help: &str, table: &[[AtomicU64; CODES]; COMMANDS]) {
        self.family(family, "counter", help);
        for (command, codes) in table.iter().enumerate() {
            for (code, count) in codes.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let code =
                        Code::ALL.get(code).map_or("other".to_owned(), |(_, code)| code.number().to_string());
                    self.sample(family, &[("command", name(command)), ("code", &code)], count);
                }
            }
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn alone(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Writes one sample. Values of labels are not escaped, because none contains such a character.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}")),
            false => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{text}").expect("writing to a string cannot fail");
    }
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
