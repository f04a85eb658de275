//! Counts failed signatures, to slow down callers who guess (decision 17).

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::sync::Cache;

use super::App;
use crate::domain::{AppId, UnixSeconds};

/// Returns the network that counts as one source. In IPv6 it is a /64, because a client can usually use any address of one.
fn network_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// How many callers are counted at once. When there are more, the counters of some are dropped.
const CAPACITY: usize = 10_000;

/// Counts refused signatures by app, identifier and source network, in fixed windows of one minute.
pub(super) struct Failures(Cache<(AppId, Box<str>, IpAddr), Arc<AtomicU64>>);

impl std::fmt::Debug for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Failures({})", self.0.len())
    }
}

impl Failures {
    pub(super) fn new() -> Failures {
        Failures(Cache::new(CAPACITY))
    }

    /// Counts a failure. Returns whether there were more in this minute than the app allows.
    pub(super) fn too_many(&self, app: &App, identifier: &str, source: IpAddr, now: UnixSeconds) -> bool {
        let Some(limit) = app.failed_signatures else { return false };
        let key = (app.id, identifier.chars().take(64).collect(), network_of(source));
        let new = || Ok::<_, std::convert::Infallible>(Arc::default());
        let Ok(counter) = self.0.get_or_insert_with(&key, new);
        // The upper half of the counter holds the minute, the lower half the failures in it.
        let minute = (now / 60) << 32;
        let count = |seen: u64| Some(if seen >> 32 == minute >> 32 { seen + 1 } else { minute + 1 });
        let before = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).unwrap_or(minute);
        let earlier = if before >> 32 == minute >> 32 { before & 0xffff_ffff } else { 0 };
        earlier + 1 > u64::from(limit)
    }
}
