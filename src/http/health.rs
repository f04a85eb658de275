//! Health checks, with ordinary statuses: `/healthz` tells that the process answers, `/readyz` that
//! its store does.

use hyper::{Response, StatusCode};

use super::answer::{self, Body};
use crate::store::Store;

pub(super) fn alive() -> Response<Body> {
    answer::text(StatusCode::OK, "ok\n")
}

pub(super) async fn ready(store: &dyn Store) -> Response<Body> {
    match store.ready().await {
        Ok(()) => answer::text(StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            answer::text(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
        }
    }
}
