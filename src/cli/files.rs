//! How many files this process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside connections: the store, its log, sockets that listen.
const OTHERS: u64 = 64;

/// Raises the limit as far as the system lets it, and warns when the connections that are allowed would
/// not fit.
pub(super) fn raise_limit(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + OTHERS;
    let raised = match (current, maximum) {
        (None, _) => return,
        (Some(current), _) if current >= wanted => return,
        (Some(_), None) => wanted,
        (Some(_), Some(maximum)) => wanted.min(maximum),
    };
    // Refused or not: what holds is read again.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    let holds = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if holds < wanted {
        tracing::warn!(
            "limits.connections is {connections}, but this process may only have {holds} files open; raise the limit \
             (ulimit -n, or LimitNOFILE in a systemd unit)"
        );
    }
}
