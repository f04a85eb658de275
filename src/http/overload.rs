//! Decides whether there is room for a request.

use std::{net::IpAddr, time::Duration};

use super::{place::Place, registry::NoPlace};
use crate::clock::Clock;

/// Returns why there is no room for a request, or `None` if there is: all connections are taken and none ends in time,
/// its source has too many connections, or unread answers occupy too much memory. Health checks always pass.
pub(super) async fn no_room(
    place: &Place,
    path: &str,
    forwarded: Option<IpAddr>,
    within: Duration,
    clock: &Clock,
) -> Option<String> {
    let registry = &place.registry;
    // A health check counts towards its source as well. Otherwise, one client could hold any number of places by
    // asking for health.
    let crowded =
        forwarded.filter(|source| place.count_for(*source, clock.elapsed()) == Err(NoPlace::Source));
    if matches!(path, "/healthz" | "/readyz") {
        return None;
    }
    if let Some(source) = crowded {
        let most = registry.of_source();
        return Some(format!(
            "{source} has {most} open connections, the most that limits.connections_per_source allows"
        ));
    }
    if place.activity.is_probe() && !place.wait(within, clock).await {
        return Some(
            "the maximum number of connections is open (limits.connections); try again later".to_owned(),
        );
    }
    if registry.unsent.is_full() {
        registry.shed_slow_readers(clock.elapsed(), true);
    }
    // Clients that read their answers must not suffer from those that do not.
    (registry.unsent.is_full() && place.activity.unsent() > 0).then(|| {
        "this client does not read its answers, and unread answers take too much memory; try again in a second"
            .to_owned()
    })
}
