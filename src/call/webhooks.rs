//! Answers the requests of `confold webhooks`: lists the webhooks of an app, tests them, sends events again that were given
//! up, and switches them on.
//!
//! Like imports, these paths are outside `/v4/` and use ordinary statuses, and requests are signed like a call.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Status},
    head::Head,
    id::Id,
    observed::observe,
    origin,
    state::{INTERCHANGE, State},
    transfer_refusal::TransferRefusal,
};
use crate::{
    auth::Caller,
    domain::AppId,
    excerpt::quoted,
    masking,
    routes::WebhookTask,
    store::DestinationId,
    webhooks::{Status as WebhookStatus, Tried, Webhooks},
    wire::code::Code,
};

/// Answers a request, and passes the exchange to the observers.
pub(super) async fn answer(state: &State, task: WebhookTask, head: &Head<'_>, id: &Id<'_>) -> Answer {
    let asked = run(state, task, head).await;
    observe(state, task.name(), head, id, None, asked.as_ref().err());
    asked.unwrap_or_else(TransferRefusal::answer)
}

async fn run(state: &State, task: WebhookTask, head: &Head<'_>) -> Result<Answer, TransferRefusal> {
    origin::check_page(head.headers).map_err(TransferRefusal::page)?;
    if state.published_keys {
        state.hosts.check(head).map_err(TransferRefusal::page)?;
    }
    let access = state.access();
    let Caller { app, .. } = access
        .identify(INTERCHANGE, head, state.service.clock.now())
        .map_err(|error| TransferRefusal::caller(&error))?;
    head.connection.mark_signed();
    let of_app = |refusal| TransferRefusal { app: Some(app.id), ..refusal };
    let Some(webhooks) = &state.webhooks else { return Err(of_app(unknown(app.id, ""))) };
    let body = match task {
        WebhookTask::List => list(webhooks, app.id),
        named => {
            let query = head.query.unwrap_or_default();
            let name = parameter(query, "webhook=");
            let after = parameter(query, "after=").parse().unwrap_or(0);
            let id = DestinationId { app: app.id, name: name.into() };
            named_task(webhooks, named, &id, after).await.map_err(of_app)?
        }
    };
    Ok(Answer::json_with(Status::Ok, body.to_string().into_bytes()))
}

/// Returns the query parameter that begins with `name`. Names of webhooks and numbers consist of characters that are not
/// encoded.
fn parameter<'a>(query: &'a str, name: &str) -> &'a str {
    query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or("")
}

fn unknown(app: AppId, name: &str) -> TransferRefusal {
    let said = match name {
        "" => "the query parameter webhook is missing; give it the name of a webhook".to_owned(),
        name => format!(
            "app {app} has no webhook with the name {}; confold webhooks list shows all",
            quoted(&masking::text(name))
        ),
    };
    TransferRefusal { status: Status::NotFound, code: Code::PARAMETER, said, app: None }
}

async fn named_task(
    webhooks: &Webhooks,
    task: WebhookTask,
    id: &DestinationId,
    after: u64,
) -> Result<Value, TransferRefusal> {
    let unknown = || unknown(id.app, &id.name);
    match task {
        WebhookTask::List | WebhookTask::Enable => {
            if webhooks.enable(id) {
                Ok(json!({}))
            } else {
                Err(unknown())
            }
        }
        WebhookTask::Test => {
            let Tried { is_delivered, why, took } = webhooks.test(id).await.ok_or_else(unknown)?;
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            Ok(json!({ "Delivered": is_delivered, "Reason": why, "Milliseconds": took }))
        }
        WebhookTask::Replay => {
            let replayed = webhooks.replay(id, after).await.map_err(TransferRefusal::store)?;
            Ok(replayed.ok_or_else(unknown)?.fields())
        }
    }
}

fn list(webhooks: &Webhooks, app: AppId) -> Value {
    let of_app = |status: &WebhookStatus| status.id.app == app;
    let shown = |status: WebhookStatus| {
        let WebhookStatus { id, receiver, summary, given_up, delivered, failed } = status;
        json!({
            "Name": *id.name,
            "Receiver": receiver,
            "State": summary.state(),
            "FailingSince": summary.failing_since,
            "WaitingLanes": summary.waiting,
            "OldestWaiting": summary.oldest,
            "GivenUp": given_up,
            "Delivered": delivered,
            "Failed": failed,
        })
    };
    json!({ "Webhooks": webhooks.status().into_iter().filter(of_app).map(shown).collect::<Vec<_>>() })
}
