//! Whether there is room for a request.

use std::{net::IpAddr, time::Duration};

use super::{place::Place, registry::NoPlace};
use crate::clock::Clock;

/// Why there is no room for a request, if there is none: all connections are taken and none ends in time, its source has
/// too many connections, or readers who do not read hold too much memory. Health checks always pass.
pub(super) async fn no_room(
    place: &Place,
    path: &str,
    forwarded: Option<IpAddr>,
    within: Duration,
    clock: &Clock,
) -> Option<String> {
    let registry = &place.registry;
    // Health checks count for their source as well, or else they would be a way to hold any number of places.
    let crowded =
        forwarded.filter(|source| place.count_for(*source, clock.elapsed()) == Err(NoPlace::Source));
    if matches!(path, "/healthz" | "/readyz") {
        return None;
    }
    if let Some(source) = crowded {
        let most = registry.of_source();
        return Some(format!(
            "{source} has {most} connections open, as many as limits.connections_per_source allows"
        ));
    }
    if place.activity.is_probe() && !place.wait(within, clock).await {
        return Some("as many connections as limits.connections allows are open; try again later".to_owned());
    }
    if registry.unsent.is_full() {
        registry.shed_slow_readers(clock.elapsed(), true);
    }
    // Those who take their answers must not suffer from those who do not.
    (registry.unsent.is_full() && place.activity.unsent() > 0).then(|| {
        "this client does not read its answers, and others hold too much memory; try again in a second"
            .to_owned()
    })
}
