//! The limit on open files of this process. Each connection needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::log_lines::log;

/// Open files other than connections: the store, its log, listening sockets.
const OTHERS: u64 = 64;

/// Raises the limit for this number of connections as far as the system allows, and warns if that is not enough.
pub(super) fn raise_limit(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + OTHERS;
    let raised = match (current, maximum) {
        (None, _) => return,
        (Some(current), _) if current >= wanted => return,
        (Some(_), None) => wanted,
        (Some(_), Some(maximum)) => wanted.min(maximum),
    };
    // Ignore a failure: the limit is read again below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    let holds = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if holds < wanted {
        log!(FEW_FILES[connections, holds]);
    }
}
