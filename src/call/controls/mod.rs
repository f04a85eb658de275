//! `/_dev/`: the controls of an emulator over HTTP, with ordinary statuses (decision 22).
//!
//! They exist only if the server was started with them. If a token is set, they require it. A web page that a
//! developer happens to open cannot use them: see [`origin`].

mod clock;
mod lines;
mod query;
mod refusal;
mod requests;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use self::{
    lines::run_to_completion,
    refusal::{Refused, bad, failed, snapshot_refusal},
    requests::{Asked, Beginning},
};
use super::{
    answer::{Answer, Status},
    body, encoding,
    exchange::{Bodies, Exchange, Subject},
    head::{Body, Head},
    id::Id,
    memory::Bounds,
    origin,
    state::State,
};
use crate::{
    api::{Absent, Command, Error},
    auth::Token,
    controls::Controls,
    domain::{AppId, Owner},
    excerpt::{line, quoted},
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
        dry_run: false,
        cut: false,
        id,
    });
    answer
}

impl State {
    async fn control(&self, head: &Head<'_>, body: &mut Body<'_>) -> Result<Answer, Refused> {
        let controls = self.open_controls(head)?;
        // An admitted client is exempt from the short time limits, because seeding may take long.
        head.connection.mark_signed();
        let beginning = Beginning::read(head.method, head.path, head.query.unwrap_or(""))?;
        // The body is read completely before anything is locked, because it may arrive slowly.
        if beginning.takes_lines() {
            let Asked::Seed(unknown) = beginning.with_body(b"")? else {
                return Err((Status::NotFound, "only /_dev/seed accepts lines".to_owned()));
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

    /// Returns the controls if this request may use them.
    fn open_controls(&self, head: &Head<'_>) -> Result<&Controls, Refused> {
        let forbidden = |said: String| (Status::Forbidden, said);
        let Some(controls) = &self.controls else {
            let said = "the controls under /_dev/ are off on this server; use confold dev, or confold serve with the \
                        setting controls.token_file";
            return Err(forbidden(said.to_owned()));
        };
        origin::check_page(head.headers).map_err(forbidden)?;
        match &controls.token {
            // A web page cannot know the token, so the host name does not matter.
            Some(token) if has_token(token, head) => {}
            Some(_) => {
                let said = "the controls under /_dev/ require the header Authorization: Bearer TOKEN, where TOKEN is \
                            the token that confold dev prints or the one in the file named by the setting \
                            controls.token_file";
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
            // Handled by `control`, which receives the lines.
            Asked::Seed(_) => json!({}),
            Asked::TakeSnapshot(name) => {
                let _turn = controls.turn.lock().await;
                controls.snapshots.take(name, Arc::clone(store)).await.map_err(snapshot_refusal)?;
                json!({ "Snapshots": controls.snapshots.names() })
            }
            Asked::Restore(name) => {
                let turn = Arc::clone(&controls.turn).lock_owned().await;
                let snapshot = controls.snapshots.find(&name).map_err(snapshot_refusal)?;
                let (store, clock) = (Arc::clone(store), self.service.clock.clone());
                let restored =
                    run_to_completion(turn, async move { snapshot.bring_back(&*store, clock).await }).await?;
                json!({ "Lines": restored.unwrap_or(Err(StoreError::Rule.into())).map_err(snapshot_refusal)? })
            }
            Asked::Snapshots => json!({ "Snapshots": controls.snapshots.names() }),
            Asked::RemoveSnapshots(None) => json!({ "Removed": controls.snapshots.clear() }),
            Asked::RemoveSnapshots(Some(name)) => {
                controls.snapshots.remove(&name).map_err(snapshot_refusal)?;
                json!({ "Removed": 1 })
            }
            Asked::Clock => clock::shown(&self.service.clock),
            Asked::SetClock(set) => {
                clock::set(&self.service.clock, &set)?;
                clock::shown(&self.service.clock)
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

    /// Refuses an app that the server neither serves nor has data about.
    async fn check_app(&self, scope: &Scope) -> Result<(), Refused> {
        let (Scope::App(app) | Scope::Owner(Owner { app, .. })) = scope else { return Ok(()) };
        let access = self.access();
        let mut known: Vec<AppId> = access.gate.apps().all().iter().map(|app| app.id).collect();
        if known.contains(app) {
            return Ok(());
        }
        // Seeded data may belong to apps that the server does not serve.
        let kept = self.service.store.apps().await.map_err(|error| failed(&error))?;
        if kept.contains(app) {
            return Ok(());
        }
        known.extend(kept);
        known.sort_unstable();
        known.dedup();
        let there: Vec<String> = known.iter().map(ToString::to_string).collect();
        let said = format!(
            "SdkAppId: this server has no app {app} and no data about it; the apps are {}",
            there.join(", ")
        );
        Err(bad(line(&said).into_owned()))
    }

    /// Returns the state of everything that a reset leaves as it is: clock, fault rules, journal and snapshots.
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
}

fn has_token(token: &Token, head: &Head<'_>) -> bool {
    head.bearer().is_some_and(|said| token.is(said))
}

/// Refuses an unknown command, unless the journal contains a call of it.
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
