//! `/_dev/`: the controls of an emulator over HTTP, with ordinary statuses (decision 22).
//!
//! They are there only where the server was started with them, and – with a token – for those who have it. A web
//! page that a developer happens to look at cannot use them: see [`origin`].

use std::{collections::BTreeMap, sync::Arc, thread};

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    sync::{OwnedMutexGuard, oneshot},
};

use super::{
    answer::{Answer, Status},
    body,
    control_requests::{Asked, Beginning, Refused, SetClock},
    encoding,
    exchange::{Bodies, Exchange, Subject},
    head::{Body, Head, Header},
    id::Id,
    lines::report,
    memory::Bounds,
    origin,
    state::State,
};
use crate::{
    api::{Absent, Command, Error},
    auth::Token,
    controls::{Controls, SnapshotError, Spool, SpoolError},
    domain::{AppId, Limits, Owner},
    excerpt::{line, quoted},
    interchange::{IntakeError, LAST_SECOND, Purpose, Terms, UnknownFields, take_in},
    masking, routes,
    store::{Scope, StoreError},
    wire::{code::Code, meant},
};

/// The largest body of a control, apart from the lines of a seed.
const BODY_BYTES: usize = 1 << 20;

/// Answers a request below `/_dev/`.
pub(super) async fn answer(state: &State, head: &Head<'_>, body: &mut Body<'_>, id: &Id<'_>) -> Answer {
    let answer = match state.control(head, body).await {
        Ok(answer) => answer,
        Err((status, said)) => Answer::failure(status, Code::RESOURCE, &masking::text(&said)),
    };
    let path = routes::at(head.path).find_map(|route| route.control()).unwrap_or("other");
    state.observers.observe(Exchange {
        head,
        subject: Subject::Control(path, answer.status as u16),
        app: None,
        calls: &state.access().calls,
        took: state.service.clock.elapsed().saturating_sub(head.started),
        code: Code::OK,
        failure: None,
        items: &BTreeMap::new(),
        item_hint: None,
        bodies: Bodies::default(),
        cut: false,
        id,
    });
    answer
}

impl State {
    async fn control(&self, head: &Head<'_>, body: &mut Body<'_>) -> Result<Answer, Refused> {
        let controls = self.open_controls(head)?;
        // From here on it is no stranger's: seeding may take its time.
        head.connection.mark_signed();
        let beginning = Beginning::read(head.method, head.path, head.query.unwrap_or(""))?;
        // The body comes first, however slowly: nothing is locked before it is whole.
        if beginning.takes_lines() {
            let Asked::Seed(unknown) = beginning.with_body(b"")? else {
                return Err((Status::NotFound, "lines are taken by /_dev/seed alone".to_owned()));
            };
            encoding::check_plain(head.headers).map_err(bad)?;
            let lines = self.spooled(body).await?;
            return self.seed(controls, lines, unknown).await;
        }
        let (bytes, small) = (BODY_BYTES.min(self.budget.most()), head.connection.small_bodies());
        let bounds = Bounds { headers: head.headers, bytes, budget: &self.budget, small };
        let whole = body::read(body, bounds).await.map_err(|error| match error {
            Error::ManyBodies { .. } => (Status::Unavailable, error.reply_text().info),
            error => bad(error.reply_text().info),
        })?;
        let reply = self.answer_control(controls, beginning.with_body(&whole.bytes)?).await?;
        Ok(Answer::json_with(Status::Ok, reply.to_string().into_bytes()))
    }

    /// The controls, for those to whom they are open.
    fn open_controls(&self, head: &Head<'_>) -> Result<&Controls, Refused> {
        let forbidden = |said: String| (Status::Forbidden, said);
        let Some(controls) = &self.controls else {
            let said = "the controls under /_dev/ are closed here; confold dev has them, and serve with the setting \
                        controls.token_file";
            return Err(forbidden(said.to_owned()));
        };
        origin::check_page(head.headers).map_err(forbidden)?;
        match &controls.token {
            // A page cannot know the token, whatever name it calls this server by.
            Some(token) if has_token(token, head) => {}
            Some(_) => {
                let said = "the controls under /_dev/ need the header Authorization: Bearer TOKEN, with the token that \
                            confold dev has printed, or that the setting controls.token_file names";
                return Err(forbidden(said.to_owned()));
            }
            None => self.hosts.check(head).map_err(forbidden)?,
        }
        Ok(controls)
    }

    async fn answer_control(&self, controls: &Controls, asked: Asked) -> Result<Value, Refused> {
        let store = &self.service.store;
        Ok(match asked {
            Asked::Reset { scope, controls: all } => {
                self.check_app(&scope).await?;
                let _turn = controls.turn.lock().await;
                store.reset(scope).await.map_err(|error| failed(&error))?;
                if all {
                    controls.clear();
                    self.service.clock.resume();
                }
                json!({ "Stays": self.what_stays(controls) })
            }
            // It is answered where its lines are received.
            Asked::Seed(_) => json!({}),
            Asked::TakeSnapshot(name) => {
                let _turn = controls.turn.lock().await;
                controls.snapshots.take(name, Arc::clone(store)).await.map_err(unkept)?;
                json!({ "Snapshots": controls.snapshots.names() })
            }
            Asked::Restore(name) => {
                let turn = Arc::clone(&controls.turn).lock_owned().await;
                let snapshot = controls.snapshots.find(&name).map_err(unkept)?;
                let (store, clock) = (Arc::clone(store), self.service.clock.clone());
                let restored =
                    to_the_end(turn, async move { snapshot.bring_back(&*store, clock).await }).await?;
                json!({ "Lines": restored.unwrap_or(Err(StoreError::Rule.into())).map_err(unkept)? })
            }
            Asked::Snapshots => json!({ "Snapshots": controls.snapshots.names() }),
            Asked::RemoveSnapshots(None) => json!({ "Removed": controls.snapshots.clear() }),
            Asked::RemoveSnapshots(Some(name)) => {
                controls.snapshots.remove(&name).map_err(unkept)?;
                json!({ "Removed": 1 })
            }
            Asked::Clock => self.clock_shown(),
            Asked::SetClock(set) => {
                self.set_clock(&set)?;
                self.clock_shown()
            }
            Asked::Faults => json!({ "Faults": controls.faults.all() }),
            Asked::AddFault(rule) => json!(controls.faults.add(rule).map_err(bad)?),
            Asked::RemoveFaults(id) => json!({ "Removed": controls.faults.remove(id) }),
            Asked::Journal { limit, code, command } => {
                if let Some(command) = &command {
                    check_command(controls, command)?;
                }
                let calls = controls.journal.last(limit as usize, |entry| {
                    code.is_none_or(|code| entry.code == code)
                        && command.as_deref().is_none_or(|command| entry.is_of(command))
                });
                let mut reply = json!({ "Calls": calls });
                let absent = controls.journal.absent();
                if !absent.is_empty() {
                    reply["Unimplemented"] = json!(absent);
                }
                reply
            }
            Asked::ClearJournal => {
                controls.journal.clear();
                json!({})
            }
        })
    }

    /// Receives lines to their end.
    async fn spooled(&self, body: &mut Body<'_>) -> Result<Spool, Refused> {
        let broken = || bad("the body breaks off or does not come in time; nothing was applied".to_owned());
        let mut spool = Spool::default();
        loop {
            let frame = tokio::time::timeout(self.limits.idle, body.frame());
            let Some(frame) = frame.await.map_err(|_| broken())? else { return Ok(spool) };
            let Ok(piece) = frame.map_err(|_| broken())?.into_data() else { continue };
            spool.add(&piece).map_err(|error| match error {
                SpoolError::TooLarge(_) => (Status::TooLarge, error.to_string()),
                SpoolError::File(_) => (Status::Unavailable, error.to_string()),
            })?;
        }
    }

    /// Applies lines on a thread of their own, which has the turn until it ends, whatever becomes of the client.
    async fn seed(
        &self,
        controls: &Controls,
        lines: Spool,
        unknown: UnknownFields,
    ) -> Result<Answer, Refused> {
        // Of the apps' limits the widest: a file may be about several.
        let access = self.access();
        let widest = access.gate.apps().all().iter().map(|app| app.limits).max_by_key(|one| one.groups);
        let limits = widest.unwrap_or(Limits::TENCENT);
        let clock = self.service.clock.clone();
        let terms = Terms { purpose: Purpose::Apply, limits, only: None, unknown, clock };
        let store = Arc::clone(&self.service.store);
        let lines = lines.into_lines().map_err(|error| unkept(SnapshotError::File(error)))?;
        let turn = Arc::clone(&controls.turn).lock_owned().await;
        let taken = to_the_end(turn, async move { take_in(&*store, terms, lines).await }).await?;
        match taken.unwrap_or(Err(IntakeError::Store(StoreError::Rule))) {
            // The status says whether every line was taken.
            Ok(outcome) => Ok(report(&outcome)),
            Err(error) => Err(unkept(error.into())),
        }
    }

    /// Refuses an app about which nothing can be kept here.
    async fn check_app(&self, scope: &Scope) -> Result<(), Refused> {
        let (Scope::App(app) | Scope::Owner(Owner { app, .. })) = scope else { return Ok(()) };
        let access = self.access();
        let mut known: Vec<AppId> = access.gate.apps().all().iter().map(|app| app.id).collect();
        if known.contains(app) {
            return Ok(());
        }
        // A seed may be about apps that the server does not serve.
        let kept = self.service.store.apps().await.map_err(|error| failed(&error))?;
        if kept.contains(app) {
            return Ok(());
        }
        known.extend(kept);
        known.sort_unstable();
        known.dedup();
        let there: Vec<String> = known.iter().map(ToString::to_string).collect();
        let said = format!(
            "SdkAppId: this server has no app {app} and keeps nothing about it; it knows {}",
            there.join(", ")
        );
        Err(bad(line(&said).into_owned()))
    }

    /// What of the controls is as requests have left it.
    fn what_stays(&self, controls: &Controls) -> Value {
        let clock = match (self.service.clock.is_frozen(), self.service.clock.is_set()) {
            (true, _) => "frozen",
            (false, true) => "moved on",
            (false, false) => "as the system's",
        };
        json!({
            "Clock": clock,
            "Faults": controls.faults.all().len(),
            "Journal": controls.journal.count(),
            "Snapshots": controls.snapshots.names().len(),
        })
    }

    fn clock_shown(&self) -> Value {
        let clock = &self.service.clock;
        json!({ "Now": clock.now(), "Frozen": clock.is_frozen() })
    }

    fn set_clock(&self, set: &SetClock) -> Result<(), Refused> {
        let clock = &self.service.clock;
        match *set {
            SetClock::Freeze(at) => clock.freeze(at),
            SetClock::Resume => clock.resume(),
            SetClock::Advance(seconds) => {
                let at = clock.now().saturating_add(u64::from(seconds));
                if at > LAST_SECOND {
                    let said = format!(
                        "Advance: the clock goes to {LAST_SECOND}, the year 9999; this would be {at}"
                    );
                    return Err(bad(said));
                }
                clock.advance(seconds);
            }
        }
        Ok(())
    }
}

/// Does work that must not break off half way on a thread of its own, which has the turn until it ends, whatever becomes
/// of the client. Nothing when a panic has ended it.
async fn to_the_end<T: Send + 'static>(
    turn: OwnedMutexGuard<()>,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Option<T>, Refused> {
    let runtime = Handle::current();
    let (done, outcome) = oneshot::channel();
    let thread = move || {
        let outcome = runtime.block_on(work);
        drop(turn);
        // The client may have gone.
        let _ = done.send(outcome);
    };
    thread::Builder::new().name("control".to_owned()).spawn(thread).map_err(|error| {
        tracing::error!(%error, "a thread for a control cannot be started");
        let said = "the system has no thread for this; try again later";
        (Status::Unavailable, said.to_owned())
    })?;
    Ok(outcome.await.ok())
}

fn has_token(token: &Token, head: &Head<'_>) -> bool {
    let said = head.text(Header::Authorization);
    said.and_then(|said| said.strip_prefix("Bearer ")).is_some_and(|said| token.is(said))
}

/// Refuses a command that there is not, unless it was called all the same.
fn check_command(controls: &Controls, command: &str) -> Result<(), Refused> {
    let ours = Command::ALL.iter().map(|command| command.name());
    let known: Vec<&str> = ours.chain(Absent::all().map(Absent::command)).collect();
    if known.contains(&command) || controls.journal.has(command) {
        return Ok(());
    }
    let hint = meant(command, &known).map(|other| format!("; did you mean {other}?")).unwrap_or_default();
    let found = masking::text(command);
    Err(bad(format!(
        "Command: there is no command {}, and no call of it in the journal{hint}",
        quoted(&found)
    )))
}

fn bad(said: String) -> Refused {
    (Status::BadRequest, said)
}

fn failed(error: &StoreError) -> Refused {
    tracing::error!(%error, "the store failed under a control");
    (Status::Unavailable, "the store failed; its log says why".to_owned())
}

fn unkept(error: SnapshotError) -> Refused {
    match error {
        SnapshotError::Unknown { .. } => (Status::NotFound, error.to_string()),
        SnapshotError::NoName | SnapshotError::LongName(_) | SnapshotError::Many => bad(error.to_string()),
        SnapshotError::Store(error) => failed(&error),
        other => (Status::Unavailable, other.to_string()),
    }
}
