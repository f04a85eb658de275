//! What the store counts of itself.

use super::Exposition;
use crate::store::Statistics;

pub(super) fn tell(statistics: Statistics, out: &mut Exposition) {
    let Statistics {
        commits,
        changes,
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
    for (name, kind, help, value) in [
        ("commits_total", "counter", "Transactions, one fsync each.", commits),
        ("changes_total", "counter", "Changes in transactions.", changes),
        ("changes_waiting", "gauge", "Changes waiting to be written.", waiting),
        ("cache_hits_total", "counter", "Owners read from memory.", cache_hits),
        ("cache_misses_total", "counter", "Owners read from the disk.", cache_misses),
        ("cache_bytes", "gauge", "Bytes of owners in memory.", cache_bytes),
        ("reads_waiting", "gauge", "Reads from the disk waiting for a thread.", reads_waiting),
        (
            "reads_refused_total",
            "counter",
            "Reads refused (60018) because too many waited or they had waited too long.",
            reads_refused,
        ),
        ("disk_bytes", "gauge", "Bytes of the database and its log.", disk_bytes),
        ("log_bytes", "gauge", "Bytes of the file of the write-ahead log.", log_bytes),
        ("log_used_bytes", "gauge", "Bytes of the write-ahead log that are in use.", log_in_use),
        (
            "log_held_total",
            "counter",
            "Times the write-ahead log could not be restarted because of a long-running reader.",
            log_held,
        ),
        ("damaged", "gauge", "Owners and chat groups whose stored data is known to be damaged.", damaged),
        ("unwritable", "gauge", "1 when damage keeps sound data from being changed.", unwritable),
    ] {
        out.alone(&format!("confold_store_{name}"), kind, help, value);
    }
}
