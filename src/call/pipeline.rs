//! The path of every request from its head to its answer.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use super::{
    access::command_at,
    answer::{Answer, Cut, REQUEST_ID, Rest},
    body,
    exchange::{Bodies, Exchange, Failure, Subject},
    extensions,
    faults::run_with_faults,
    feed::Feed,
    head::{Body, Head, Header},
    id::Id,
    memory::{Bounds, Whole},
    own,
    state::{CallLimits, Options, State},
};
use crate::{
    api::{Asked, Call, Command, DRY_RUN, Error, Family, REPLAYED, RefusedItems, ReplyText},
    auth::{Apps, Caller, Gate},
    clock::Clock,
    excerpt, masking,
    metrics::ConnectionCounts,
    store::CallContext,
    wire::{Envelope, Fields, Path, code::Code},
};

/// Answers requests.
pub struct Pipeline(State);

impl Pipeline {
    /// Creates a pipeline to the commands of `service` for the callers that `gate` admits.
    #[must_use]
    pub fn new(gate: Gate, service: crate::api::Service, limits: CallLimits, options: Options) -> Pipeline {
        Pipeline(State::new(gate, service, limits, options))
    }

    /// Admits only the administrators of these apps from now on. Calls in progress are not affected; counters and
    /// cached signatures are kept if they still apply.
    pub fn admit_only(&self, apps: Apps) {
        self.0.admit_only(apps);
    }

    /// Sets the function that returns the counts of connections when metrics are rendered.
    pub fn count_connections(&self, ask: impl Fn() -> ConnectionCounts + Send + Sync + 'static) {
        self.0.count_connections(ask);
    }

    /// Returns the feeds, which have to be run in the background.
    #[must_use]
    pub fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.0.feed)
    }

    /// Returns the clock that measures requests.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.service.clock
    }

    /// Counts a connection that is closed without an answer, for a summarized log line.
    pub fn refuse_connection(&self) {
        self.0.lines.sum(Code::OVERLOAD);
    }

    /// Writes summarized log lines. Called about once a second.
    pub fn housekeep(&self) {
        self.0.housekeep();
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Returns [`Cut`] when a fault rule drops the answer.
    pub async fn answer(&self, head: &Head<'_>, body: &mut Body<'_>) -> Result<Answer, Cut> {
        let id = Id::of(head.text(Header::RequestId));
        let is_post = head.method == "POST";
        if is_post && head.is_service() {
            return self.call(head, body, &id).await;
        }
        let answer = match own::answer(&self.0, head, body, &id).await {
            Some(answer) => answer,
            None if is_post => return self.call(head, body, &id).await.map(Answer::not_found),
            None if head.is_service() => own::no_call(&self.0, head),
            None => own::no_call(&self.0, head).not_found().refusing(),
        };
        Ok(identified(answer, &id))
    }

    /// Refuses a request for which there is no room.
    pub fn no_room(&self, head: &Head<'_>, said: &str) -> Answer {
        let id = Id::of(head.text(Header::RequestId));
        self.0.observers.observe(Exchange {
            head,
            subject: Subject::NoRoom,
            app: None,
            calls: &self.0.access().calls,
            took: Duration::ZERO,
            code: Code::OVERLOAD,
            failure: None,
            items: &BTreeMap::new(),
            item_hint: None,
            bodies: Bodies::default(),
            dry_run: false,
            cut: false,
            id: &id,
        });
        identified(own::no_room(head, said), &id)
    }

    /// Runs one command and passes the exchange to the observers.
    async fn call(&self, head: &Head<'_>, body: &mut Body<'_>, id: &Id<'_>) -> Result<Answer, Cut> {
        let Pipeline(state) = self;
        let access = state.access();
        let command = command_at(head.path);
        let known = command.as_ref().ok().copied();
        let admitted = command
            .and_then(|command| Ok((command, access.admit(command, head, state.service.clock.now())?)));
        let app = admitted.as_ref().ok().map(|(_, caller)| caller.app.id);
        if admitted.is_ok() {
            head.connection.mark_signed();
        }
        let mut progress = Progress::default();
        let outcome =
            in_time(state.limits.answer_within, self.run(admitted, head, body, id, &mut progress)).await;
        let took = state.service.clock.elapsed().saturating_sub(head.started);
        let Progress { rest, body, asked, state: state_text, cut, items } = progress;
        let dry_run = asked.as_ref().is_some_and(|asked| asked.dry_run);
        let is_repeated = asked
            .and_then(|asked| asked.operation)
            .is_some_and(|operation| operation.is_repeated.load(Ordering::Acquire));
        let (items, item_hint) = items.into_parts();
        let item_hint = item_hint.map(shown_text);
        let exchange = Exchange {
            head,
            subject: Subject::Call(known),
            app,
            calls: &access.calls,
            took,
            code: Code::OK,
            failure: None,
            items: &items,
            item_hint: item_hint.as_deref(),
            bodies: Bodies { request: &body.bytes, reply: &[] },
            dry_run,
            cut,
            id,
        };
        let answer = match outcome {
            Ok(reply) => {
                state
                    .observers
                    .observe(Exchange { bodies: Bodies { reply: &reply, ..exchange.bodies }, ..exchange });
                match id.is_given() {
                    false => Answer::json(reply),
                    true => Answer::json(reply).with(REQUEST_ID, id.get().to_owned()),
                }
            }
            Err(error) => self.refuse(&error, known, state_text.as_deref(), exchange),
        };
        let answer = if dry_run { answer.with(DRY_RUN, "1") } else { answer };
        let answer = if is_repeated { answer.with(REPLAYED, "true") } else { answer };
        if cut { Err(Cut) } else { Ok(Answer { rest, ..answer }) }
    }

    /// Creates the answer to a refused or failed call, and passes the exchange to the observers.
    #[cold]
    fn refuse(
        &self,
        error: &Error,
        known: Option<Command>,
        state: Option<&str>,
        exchange: Exchange<'_>,
    ) -> Answer {
        let code = error.code(known.map_or(Family::RecentContact, Command::family));
        let ReplyText { info, hint } = error.reply_text();
        let (info, hint) = (shown_text(info), hint.map(shown_text));
        let mut reply = Envelope::fail(known.map(Command::base_fields), code, &info);
        if let Some(state) = state {
            reply = Envelope::beginning_with("State", state, &reply);
        }
        let failure = Failure { error: Some(error), info: &info, hint: hint.as_deref() };
        let (id, bodies) = (exchange.id.get().to_owned(), Bodies { reply: &reply, ..exchange.bodies });
        self.0.observers.observe(Exchange { code, failure: Some(&failure), bodies, ..exchange });
        let is_failure = code != Code::OK;
        let answer = Answer::json(reply);
        let answer = if is_failure || exchange.id.is_given() { answer.with(REQUEST_ID, id) } else { answer };
        match hint {
            Some(hint) => answer.hinting(excerpt::header(&hint)),
            None => answer,
        }
    }

    /// Reads the body and runs the command.
    async fn run(
        &self,
        admitted: Result<(Command, Caller<'_>), Error>,
        head: &Head<'_>,
        body: &mut Body<'_>,
        id: &Id<'_>,
        progress: &mut Progress,
    ) -> Result<Vec<u8>, Error> {
        let Pipeline(state) = self;
        let (command, Caller { app, identifier }) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                progress.rest = Rest::Unread;
                return Err(refusal);
            }
        };
        let (headers, small) = (head.headers, head.connection.small_bodies());
        let bounds = Bounds { headers, bytes: state.limits.body_bytes, budget: &state.budget, small };
        let whole = body::read(body, bounds).await;
        // A complete body that cannot be decompressed has nothing left to read.
        if whole.is_ok() || body.is_end_stream() {
            progress.rest = Rest::Read;
        }
        progress.body = whole?;
        let bytes = progress.body.bytes.clone();
        progress.asked = extensions::asked(head, &extensions::Request { identifier, command, body: &bytes })?;
        let node = body::read_json(&bytes)?;
        let request = Fields::of_call(&node, command.description().request, command.empties())
            .map_err(|_| Error::Json(format!("found {}", node.describe())))?;
        body::check_accounts(&node, Path::Root).map_err(Error::AccountType)?;
        if state.limits.strict {
            command.check_strictly(&node).map_err(Error::Fault)?;
        }
        let Progress { items, cut, asked, state: state_text, .. } = progress;
        let context =
            || CallContext { identifier: Some(Arc::from(identifier)), request: Some(Arc::from(id.get())) };
        let call = Call {
            service: &state.service,
            app,
            command,
            items,
            asked: asked.as_deref(),
            place: None,
            place_after: None,
            context: &context,
        };
        let outcome = match &state.controls {
            None => command.run(call, request).await,
            Some(controls) => run_with_faults(&controls.faults, call, request, cut).await,
        };
        // A caller whose condition does not hold learns the state that the owner has instead.
        if let Err(error) = &outcome {
            *state_text = Box::pin(call.state_after(request, error)).await.map(String::into_boxed_str);
        }
        outcome
    }
}

/// The state of a running call, which is needed even if the call fails or times out.
#[derive(Default)]
struct Progress {
    /// How much of the body was read.
    rest: Rest,
    /// The body, for the observers. Its memory stays reserved until the call has ended.
    body: Whole,
    /// What the headers ask for.
    asked: Option<Box<Asked>>,
    /// The state of the owner, if the call expected another.
    state: Option<Box<str>>,
    /// Whether to close the connection instead of sending the answer.
    cut: bool,
    /// Refused individual items.
    items: RefusedItems,
}

/// Shortens a message and masks signatures in it.
#[expect(clippy::needless_pass_by_value, reason = "the result replaces the argument")]
fn shown_text(text: String) -> String {
    masking::text(&excerpt::line(&text)).into_owned()
}

/// Adds the request id to an answer if someone may look for it: to refusals, and when the caller chose the id.
fn identified(answer: Answer, id: &Id<'_>) -> Answer {
    let is_shown = answer.is_refusal || id.is_given();
    if is_shown { answer.with(REQUEST_ID, id.get().to_owned()) } else { answer }
}

/// Limits the time until the answer. A time-out does not undo what has begun: a commit in progress still completes.
/// Work that finishes immediately, because everything is in memory, needs no timer.
async fn in_time<T>(within: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut work = pin!(work);
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return done;
    }
    tokio::time::timeout(within, work).await.unwrap_or(Err(Error::Timeout))
}
