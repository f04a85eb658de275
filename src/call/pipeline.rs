//! The one way of a request, from its head to its answer.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{
    access::{claimed, command_at},
    answer::{Answer, Cut, REQUEST_ID, Rest},
    body,
    exchange::{Bodies, Exchange, Failure, Subject},
    faults::run_with_faults,
    head::{Body, Head, Header},
    id::Id,
    memory::{Bounds, Whole},
    own,
    state::{CallLimits, Options, State},
};
use crate::{
    api::{Call, Command, Error, Family, RefusedItems, ReplyText},
    auth::{App, Apps, Gate},
    clock::Clock,
    excerpt, masking,
    metrics::ConnectionCounts,
    store::CallContext,
    wire::{Envelope, Fields, Path, code::Code},
};

/// Answers requests.
pub struct Pipeline(State);

impl Pipeline {
    /// A pipeline to the commands of `service` for the callers that `gate` admits.
    #[must_use]
    pub fn new(gate: Gate, service: crate::api::Service, limits: CallLimits, options: Options) -> Pipeline {
        Pipeline(State::new(gate, service, limits, options))
    }

    /// Gives access to these apps' administrators from now on, and to nobody else. Calls in progress end as they began;
    /// what was counted and remembered stays, as far as it is still true.
    pub fn admit_only(&self, apps: Apps) {
        self.0.admit_only(apps);
    }

    /// Asks for connections in this way whenever the metrics are rendered.
    pub fn count_connections(&self, ask: impl Fn() -> ConnectionCounts + Send + Sync + 'static) {
        self.0.count_connections(ask);
    }

    /// The clock by which requests are measured.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.service.clock
    }

    /// Counts a connection that is closed without an answer, for the log.
    pub fn refuse_connection(&self) {
        self.0.lines.sum(Code::OVERLOAD);
    }

    /// Writes summed log lines; called about once a second.
    pub fn housekeep(&self) {
        self.0.housekeep();
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`Cut`] when a fault rule wants no answer.
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
            cut: false,
            id: &id,
        });
        identified(own::no_room(head, said), &id)
    }

    /// Runs one command and shows it to the observers.
    async fn call(&self, head: &Head<'_>, body: &mut Body<'_>, id: &Id<'_>) -> Result<Answer, Cut> {
        let Pipeline(state) = self;
        let access = state.access();
        let command = command_at(head.path);
        let known = command.as_ref().ok().copied();
        let admitted = command
            .and_then(|command| Ok((command, access.admit(command, head, state.service.clock.now())?)));
        let app = admitted.as_ref().ok().map(|(_, app)| app.id);
        if admitted.is_ok() {
            head.connection.mark_signed();
        }
        let mut progress = Progress::default();
        let outcome =
            in_time(state.limits.answer_within, self.run(admitted, head, body, id, &mut progress)).await;
        let took = state.service.clock.elapsed().saturating_sub(head.started);
        let Progress { rest, body, cut, items } = progress;
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
            Err(error) => self.refuse(&error, known, exchange),
        };
        if cut { Err(Cut) } else { Ok(Answer { rest, ..answer }) }
    }

    /// Makes the answer of a call that was refused or failed, and shows it to the observers.
    #[cold]
    fn refuse(&self, error: &Error, known: Option<Command>, exchange: Exchange<'_>) -> Answer {
        let code = error.code(known.map_or(Family::RecentContact, Command::family));
        let ReplyText { info, hint } = error.reply_text();
        let (info, hint) = (shown_text(info), hint.map(shown_text));
        let reply = Envelope::fail(known.map(Command::base_fields), code, &info);
        let failure = Failure { error: Some(error), info: &info, hint: hint.as_deref() };
        let (id, bodies) = (exchange.id.get().to_owned(), Bodies { reply: &reply, ..exchange.bodies });
        self.0.observers.observe(Exchange { code, failure: Some(&failure), bodies, ..exchange });
        let is_news = code != Code::OK;
        let answer = Answer::json(reply);
        let answer = if is_news || exchange.id.is_given() { answer.with(REQUEST_ID, id) } else { answer };
        match hint {
            Some(hint) => answer.hinting(excerpt::header(&hint)),
            None => answer,
        }
    }

    /// Reads the body and runs the command.
    async fn run(
        &self,
        admitted: Result<(Command, &App), Error>,
        head: &Head<'_>,
        body: &mut Body<'_>,
        id: &Id<'_>,
        progress: &mut Progress,
    ) -> Result<Vec<u8>, Error> {
        let Pipeline(state) = self;
        let (command, app) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                progress.rest = Rest::Unread;
                return Err(refusal);
            }
        };
        let (headers, small) = (head.headers, head.connection.small_bodies());
        let bounds = Bounds { headers, bytes: state.limits.body_bytes, budget: &state.budget, small };
        let whole = body::read(body, bounds).await;
        // A body that came whole and cannot be unpacked leaves nothing unread.
        if whole.is_ok() || body.is_end_stream() {
            progress.rest = Rest::Read;
        }
        progress.body = whole?;
        let bytes = progress.body.bytes.clone();
        let node = body::read_json(&bytes)?;
        let request = Fields::of_call(&node, command.description().request, command.empties())
            .map_err(|_| Error::Json(format!("found {}", node.describe())))?;
        body::check_accounts(&node, Path::Root).map_err(Error::AccountType)?;
        if state.limits.strict {
            command.check_strictly(&node).map_err(Error::Fault)?;
        }
        let Progress { items, cut, .. } = progress;
        let context = || CallContext {
            identifier: claimed(head.query).map(Arc::from),
            request: Some(Arc::from(id.get())),
        };
        let call = Call { service: &state.service, app, command, items, context: &context };
        match &state.controls {
            None => command.run(call, request).await,
            Some(controls) => run_with_faults(&controls.faults, call, request, cut).await,
        }
    }
}

/// What is known of a call while it runs, whether or not it comes to its end.
#[derive(Default)]
struct Progress {
    /// What became of the body as the connection sees it.
    rest: Rest,
    /// The body, for those who watch. Its memory stays reserved until the call has ended.
    body: Whole,
    /// Whether the connection is closed instead of an answer.
    cut: bool,
    /// Single items that were refused.
    items: RefusedItems,
}

/// A message as it is kept and shown.
#[expect(clippy::needless_pass_by_value, reason = "it takes the place of what it is made from")]
fn shown_text(text: String) -> String {
    masking::text(&excerpt::line(&text)).into_owned()
}

/// The answer to what is not a call, with the id of the request where somebody may look for it.
fn identified(answer: Answer, id: &Id<'_>) -> Answer {
    let is_shown = answer.is_refusal || id.is_given();
    if is_shown { answer.with(REQUEST_ID, id.get().to_owned()) } else { answer }
}

/// The time-out answers; it never takes back what was begun (a commit on its way is made). Work
/// that is done at once – all that is in memory – costs no timer.
async fn in_time<T>(within: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut work = pin!(work);
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return done;
    }
    tokio::time::timeout(within, work).await.unwrap_or(Err(Error::Timeout))
}
