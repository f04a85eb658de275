//! Metrics of the connections.

use super::exposition::Exposition;

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

pub(super) fn render(connections: &ConnectionCounts, out: &mut Exposition) {
    out.alone("confold_connections_accepted_total", "counter", "Connections accepted.", connections.accepted);
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
}
