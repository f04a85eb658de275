//! The inside of a call: its body is read, fault rules may strike it, and its command runs in time.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use hyper::{
    HeaderMap,
    body::{Body, Incoming},
};

use super::{
    Door,
    activity::Activity,
    body::{self, Bounds, Whole},
};
use crate::{
    api::{Call, Command, Error, OWNER, RefusedItems},
    auth::App,
    controls::{Controls, Effect},
    wire::{Fields, Path, code::Code},
};

impl Door {
    /// Reads the body and runs the command. `shared` is the connection, when it may carry several calls at once.
    pub(super) async fn run(
        &self,
        admitted: Result<(Command, &App), Error>,
        headers: &HeaderMap,
        body: &mut Incoming,
        shared: Option<&Activity>,
        progress: &mut Progress,
    ) -> Result<Vec<u8>, Error> {
        let (command, app) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                progress.body_read = body::drain(body, body::DRAINED).await;
                return Err(refusal);
            }
        };
        let bounds = Bounds { headers, bytes: self.limits.body_bytes, bodies: &self.bodies, shared };
        let whole = body::read(body, bounds).await;
        // A body that came whole and cannot be unpacked leaves nothing unread.
        progress.body_read = whole.is_ok() || body.is_end_stream();
        progress.body = whole?;
        let body = progress.body.bytes.clone();
        let node = body::read_json(&body)?;
        let request = Fields::of_call(&node, command.description().request, command.empties())
            .map_err(|_| Error::Json(format!("found {}", node.describe())))?;
        body::check_accounts(&node, Path::Root).map_err(Error::AccountType)?;
        if self.limits.strict {
            command.check_strictly(&node).map_err(Error::Fault)?;
        }
        let Progress { items, cut, .. } = progress;
        let call = Call { service: &self.service, app, command, items };
        match &self.controls {
            None => command.run(call, request).await,
            Some(controls) => run_with_faults(controls, call, request, cut).await,
        }
    }
}

/// What is known of a call while it runs, whether or not it comes to its end.
#[derive(Default)]
pub(super) struct Progress {
    /// Whether the connection can be used again.
    pub(super) body_read: bool,
    /// The body, for what is recorded of the call. Its memory stays reserved until the call has ended.
    pub(super) body: Whole,
    /// Whether the connection is closed instead of an answer.
    pub(super) cut: bool,
    /// Single items that were refused.
    pub(super) items: RefusedItems,
}

impl Progress {
    /// Whether there is something to record of a call that succeeded.
    pub(super) fn is_news(&self) -> bool {
        self.cut || !self.items.is_empty()
    }
}

/// Runs a command where fault rules may strike it; `cut` becomes true when its answer is to be lost.
async fn run_with_faults(
    controls: &Controls,
    call: Call<'_>,
    request: Fields<'_>,
    cut: &mut bool,
) -> Result<Vec<u8>, Error> {
    let owner = request.peek(&OWNER);
    let Some(struck) = controls.faults.strike(call.command, owner) else {
        return call.command.run(call, request).await;
    };
    pause(struck.latency).await;
    match struck.effect {
        Effect::None => call.command.run(call, request).await,
        Effect::Refuse(code, info) => Err(Error::Injected(code, info)),
        Effect::Drop => {
            *cut = true;
            Err(Error::Injected(Code::OK, "the connection was closed by a fault rule".to_owned()))
        }
        Effect::LoseAnswer => {
            let outcome = call.command.run(call, request).await;
            *cut = true;
            outcome
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "latency on demand is time that passes")]
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// The time-out answers; it never takes back what was begun (a commit on its way is made). Work
/// that is done at once – all that is in memory – costs no timer.
pub(super) async fn in_time<T>(
    within: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut work = pin!(work);
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return done;
    }
    tokio::time::timeout(within, work).await.unwrap_or(Err(Error::Timeout))
}
