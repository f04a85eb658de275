//! Metrics of the store.

use super::exposition::Exposition;
use crate::store::Statistics;

pub(super) fn render(statistics: Statistics, out: &mut Exposition) {
    let Statistics {
        commits,
        changes,
        writing,
        waiting,
        cache_hits,
        cache_misses,
        cache_bytes,
        reads_waiting,
        reads_refused,
        disk_bytes,
        log_bytes,
        log_in_use,
        log_held,
        damaged,
        unwritable,
    } = statistics;
    out.alone(
        "confold_store_writing_seconds_total",
        "counter",
        "Time spent writing changes; a rate near 1 means that the writer cannot write any faster.",
        writing.as_secs_f64(),
    );
    for (name, kind, help, value) in [
        ("commits_total", "counter", "Committed transactions, with one fsync each.", commits),
        ("changes_total", "counter", "Changes written by transactions.", changes),
        ("changes_waiting", "gauge", "Changes waiting to be written.", waiting),
        ("cache_hits_total", "counter", "Reads of owners answered from memory.", cache_hits),
        ("cache_misses_total", "counter", "Reads of owners that needed the disk.", cache_misses),
        ("cache_bytes", "gauge", "Bytes of owners in memory.", cache_bytes),
        ("reads_waiting", "gauge", "Reads waiting for a thread to read from the disk.", reads_waiting),
        (
            "reads_refused_total",
            "counter",
            "Reads refused (60018) because too many waited or they had waited too long.",
            reads_refused,
        ),
        ("disk_bytes", "gauge", "Bytes of the database and its log.", disk_bytes),
        ("log_bytes", "gauge", "Bytes of the write-ahead log file.", log_bytes),
        ("log_used_bytes", "gauge", "Bytes of the write-ahead log that are in use.", log_in_use),
        (
            "log_held_total",
            "counter",
            "Times the write-ahead log could not be restarted because of a long-running reader.",
            log_held,
        ),
        ("damaged", "gauge", "Owners and chat groups whose stored data is known to be damaged.", damaged),
        ("unwritable", "gauge", "1 if damage prevents changes even to undamaged data.", unwritable),
    ] {
        out.alone(&format!("confold_store_{name}"), kind, help, value);
    }
}
