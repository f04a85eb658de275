//! Requests for which there is no room.

use std::net::IpAddr;

use hyper::{Response, StatusCode};

use super::{Door, answer, registry::Place};
use crate::wire::{Envelope, code::Code};

impl Door {
    /// Refuses a request for which there is no room: all connections are taken and none ends in time, its source
    /// has too many connections, or readers who do not read hold too much memory. Health checks always pass.
    pub(super) async fn overloaded(
        &self,
        path: &str,
        forwarded: Option<IpAddr>,
        place: &Place,
    ) -> Option<Response<answer::Body>> {
        let is_health = matches!(path, "/healthz" | "/readyz");
        let said = if place.activity.is_probe() && !is_health && !place.wait(self.limits.answer_within).await
        {
            "as many connections as limits.connections allows are open; try again later".to_owned()
        } else if let Some(source) = forwarded
            && place.count_for(source).is_err()
        {
            let most = self.registry.of_source();
            format!("{source} has {most} connections open, as many as limits.connections_per_source allows")
        } else if self.unsent.is_full() && !is_health {
            "clients that do not read their answers hold too much memory; try again in a second".to_owned()
        } else {
            return None;
        };
        self.lines.sum(Code::OVERLOAD);
        let reply = Envelope::fail(None, Code::OVERLOAD, &said);
        let mut response = match path == "/" || path.starts_with("/v4/") {
            true => answer::json(reply),
            false => answer::json_with(StatusCode::SERVICE_UNAVAILABLE, reply),
        };
        place.activity.leave_unread();
        answer::close(&mut response);
        Some(response)
    }
}
