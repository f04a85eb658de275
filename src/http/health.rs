//! Health checks, with ordinary statuses: `/healthz` tells that the process answers, `/readyz` that
//! its store does.

use std::time::Duration;

use hyper::{Response, StatusCode};

use super::answer::{self, Body};
use crate::store::{Store, StoreError};

pub(super) fn alive() -> Response<Body> {
    answer::text(StatusCode::OK, "ok\n")
}

/// Asks the store, which may hang: a probe is told so within the time of a call.
pub(super) async fn ready(store: &dyn Store, within: Duration) -> Response<Body> {
    match tokio::time::timeout(within, store.ready()).await.unwrap_or(Err(StoreError::Busy)) {
        Ok(()) => answer::text(StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::debug!(%error, "not ready");
            answer::text(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
        }
    }
}
