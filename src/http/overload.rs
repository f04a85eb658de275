//! Requests for which there is no room.

use std::{net::IpAddr, time::Duration};

use hyper::{Response, StatusCode};

use super::{
    HttpService, answer,
    registry::{NoPlace, Place},
};
use crate::wire::{Envelope, code::Code};

impl HttpService {
    /// Why there is no room for a request, if there is none: all connections are taken and none ends in time, its source
    /// has too many connections, or readers who do not read hold too much memory. Health checks always pass.
    pub(super) async fn overloaded(
        &self,
        path: &str,
        forwarded: Option<IpAddr>,
        place: &Place,
    ) -> Option<String> {
        // Health checks count for their source as well, or else they would be a way to hold any number of places.
        let crowded = forwarded
            .filter(|source| place.count_for(*source, self.service.clock.elapsed()) == Err(NoPlace::Source));
        if matches!(path, "/healthz" | "/readyz") {
            return None;
        }
        if let Some(source) = crowded {
            let most = self.registry.of_source();
            return Some(format!(
                "{source} has {most} connections open, as many as limits.connections_per_source allows"
            ));
        }
        if place.activity.is_probe() && !place.wait(self.limits.answer_within, &self.service.clock).await {
            return Some(
                "as many connections as limits.connections allows are open; try again later".to_owned(),
            );
        }
        if self.unsent.is_full() {
            self.registry.shed_slow_readers(self.service.clock.elapsed(), true);
        }
        // Those who take their answers must not suffer from those who do not.
        (self.unsent.is_full() && place.activity.unsent() > 0).then(|| {
            "this client does not read its answers, and others hold too much memory; try again in a second".to_owned()
        })
    }

    /// The refusal of a request for which there is no room.
    pub(super) fn no_room(&self, is_service: bool, said: &str) -> Response<answer::Body> {
        self.lines.sum(Code::OVERLOAD);
        if let Some(metrics) = &self.metrics {
            metrics.call(None, Code::OVERLOAD, Duration::ZERO);
        }
        let reply = Envelope::fail(None, Code::OVERLOAD, said);
        let mut response = match is_service {
            true => answer::json(reply),
            false => answer::json_with(StatusCode::SERVICE_UNAVAILABLE, reply),
        };
        answer::close(&mut response);
        response
    }
}
