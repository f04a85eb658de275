//! The table of all paths that are not commands: methods, access, handlers and descriptions. Dispatch, refusals and
//! `/openapi.json` use it.

mod callback;
mod feed;
pub(crate) mod field;
mod handlers;
mod route;

pub(crate) use callback::CALLBACK_PATH;
pub(crate) use handlers::{Admits, Control, Handler, WebhookTask};
pub(crate) use route::{Property, Reply, Route, Takes};

use self::{
    callback::{CALLBACK, CALLBACK_BY_QUERY},
    feed::FEED,
};
use crate::{api::OWNER, controls::FaultRule};

/// The prefix of the paths of all controls.
pub(crate) const CONTROLS_PATH: &str = "/_dev/";

const TEXT: &str = r#"{"type":"string"}"#;
const FLAG: &str = r#"{"type":"boolean"}"#;
const NUMBER: &str = r#"{"type":"integer","minimum":0,"maximum":4294967295}"#;
const APP: &str = r#"{"type":"integer","minimum":1,"maximum":4294967295}"#;
const PART: &str = r#"{"type":"number","minimum":0,"maximum":1}"#;
const CODE: &str = r#"{"type":"integer","minimum":10000,"maximum":99999}"#;
const FREEZE: &str = r#"{"anyOf":[{"type":"boolean"},{"type":"integer","minimum":1}]}"#;
const NAME: &str = r#"{"type":"string","minLength":1,"maxLength":256}"#;

const fn plain(name: &'static str, schema: &'static str) -> Property {
    Property { name, schema, about: "" }
}

const LENIENT: &[Property] = &[Property {
    name: "lenient",
    schema: r#"{"enum":["0","1"]}"#,
    about: "1: ignore unknown fields, unless their names are similar to those of known fields.",
}];
const WEBHOOK_NAME: Property = Property { name: "webhook", schema: TEXT, about: "The name of the webhook." };
const WEBHOOK: &[Property] = &[WEBHOOK_NAME];
/// The query parameters of a replay, which takes several requests.
const REPLAYED: &[Property] = &[
    WEBHOOK_NAME,
    Property {
        name: "after",
        schema: NUMBER,
        about: "`Next` of the last reply, to go on after it. Without it, the request begins with the oldest event.",
    },
];
const NAMED: Takes = Takes::Object(1, &[field::NAME], &[NAME]);
/// The schemas of the fields of a fault rule, in the order of its list of fields.
const RULE: &[&str] = &[TEXT, TEXT, PART, NUMBER, CODE, TEXT, NUMBER, FLAG, FLAG];

/// Describes a probe: a GET without parameters.
const fn probe(
    path: &'static str,
    admits: Admits,
    handler: Handler,
    id: &'static str,
    answers: &'static [(u16, Reply)],
) -> Route {
    let (summary, takes) = ("", Takes::Nothing);
    Route { method: "GET", path, admits, handler, id, summary, parameters: &[], takes, answers }
}

/// Describes a transfer of lines: a signed POST.
const fn transfer(path: &'static str, handler: Handler, id: &'static str, summary: &'static str) -> Route {
    let (parameters, takes, answers): (_, _, &[_]) = match handler {
        Handler::Export => (&[] as &[_], Takes::Nothing, &[(200, Reply::Lines), (403, Reply::Refused)]),
        _ => (
            LENIENT,
            Takes::Lines,
            &[(200, Reply::Report), (400, Reply::BadLines), (403, Reply::Refused), (503, Reply::Refused)],
        ),
    };
    let admits = Admits::Administrators;
    Route { method: "POST", path, admits, handler, id, summary, parameters, takes, answers }
}

/// Describes a request about webhooks: a signed POST.
const fn webhook(path: &'static str, task: WebhookTask, id: &'static str, summary: &'static str) -> Route {
    let parameters: &[_] = match task {
        WebhookTask::List => &[],
        WebhookTask::Replay => REPLAYED,
        WebhookTask::Test | WebhookTask::Enable => WEBHOOK,
    };
    let (admits, handler, takes) = (Admits::Administrators, Handler::Webhook(task), Takes::Nothing);
    let answers =
        &[(200, Reply::Object), (403, Reply::Refused), (404, Reply::Refused), (503, Reply::Refused)];
    Route { method: "POST", path, admits, handler, id, summary, parameters, takes, answers }
}

/// Describes a control.
const fn control(
    (method, path): (&'static str, &'static str),
    control: Control,
    (id, summary): (&'static str, &'static str),
    parameters: &'static [Property],
    takes: Takes,
) -> Route {
    let answers: &[_] = match takes {
        Takes::Lines => &[
            (200, Reply::Report),
            (400, Reply::BadLines),
            (403, Reply::Refused),
            (404, Reply::Refused),
            (413, Reply::Refused),
            (503, Reply::Refused),
        ],
        _ => &[
            (200, Reply::Object),
            (400, Reply::Refused),
            (403, Reply::Refused),
            (404, Reply::Refused),
            (503, Reply::Refused),
        ],
    };
    let (admits, handler) = (Admits::Testers, Handler::Control(control));
    Route { method, path, admits, handler, id, summary, parameters, takes, answers }
}

/// All routes. Refusals list the controls in this order.
pub(crate) const ROUTES: &[Route] = &[
    probe(
        "/healthz",
        Admits::Everybody,
        Handler::Alive,
        "alive",
        &[(200, Reply::Text("The process is running."))],
    ),
    probe(
        "/readyz",
        Admits::Everybody,
        Handler::Ready,
        "ready",
        &[(200, Reply::Text("The store is working.")), (503, Reply::Text("The store is not working."))],
    ),
    probe(
        "/metrics",
        Admits::Programs,
        Handler::Metrics,
        "metrics",
        &[
            (200, Reply::Text("Metrics in the text format of Prometheus.")),
            (404, Reply::Text("Metrics are off.")),
        ],
    ),
    probe("/openapi.json", Admits::Everybody, Handler::Document, "openapi", &[(200, Reply::Object)]),
    transfer("/interchange/export", Handler::Export, "export", "Export everything in the app as lines"),
    transfer(
        "/interchange/check",
        Handler::Check,
        "check",
        "Report what an import of lines would change, or why it would be refused",
    ),
    transfer("/interchange/import", Handler::Import, "import", "Import lines"),
    webhook("/webhooks/list", WebhookTask::List, "listWebhooks", "List the webhooks of the app"),
    webhook("/webhooks/test", WebhookTask::Test, "testWebhook", "Send a message to a webhook"),
    webhook("/webhooks/replay", WebhookTask::Replay, "replayWebhook", "Send events again that were given up"),
    webhook(
        "/webhooks/enable",
        WebhookTask::Enable,
        "enableWebhook",
        "Send everything that is waiting at once",
    ),
    FEED,
    CALLBACK,
    CALLBACK_BY_QUERY,
    control(
        ("GET", "/_dev/journal"),
        Control::Journal,
        ("journal", "List the most recent calls"),
        &[plain("Limit", NUMBER), plain("Code", NUMBER), plain("Command", TEXT)],
        Takes::Nothing,
    ),
    control(
        ("DELETE", "/_dev/journal"),
        Control::ClearJournal,
        ("clearJournal", "Clear the journal of calls"),
        &[],
        Takes::Nothing,
    ),
    control(
        ("GET", "/_dev/faults"),
        Control::Faults,
        ("faults", "List the fault rules"),
        &[],
        Takes::Nothing,
    ),
    control(
        ("POST", "/_dev/faults"),
        Control::AddFault,
        ("addFault", "Add a fault rule"),
        &[],
        Takes::Object(0, FaultRule::FIELDS, RULE),
    ),
    control(
        ("DELETE", "/_dev/faults"),
        Control::RemoveFaults,
        ("removeFaults", "Remove one fault rule, or all of them"),
        &[plain("Id", NUMBER)],
        Takes::Nothing,
    ),
    control(
        ("GET", "/_dev/clock"),
        Control::Clock,
        ("clock", "Get the time of the clock"),
        &[],
        Takes::Nothing,
    ),
    control(
        ("POST", "/_dev/clock"),
        Control::SetClock,
        ("setClock", "Stop, advance or resume the clock"),
        &[],
        Takes::Object(0, &[field::FREEZE, field::ADVANCE, field::RESUME], &[FREEZE, NUMBER, FLAG]),
    ),
    control(
        ("POST", "/_dev/reset"),
        Control::Reset,
        ("reset", "Delete everything, one app or one owner"),
        &[],
        Takes::Object(0, &[field::SDK_APP_ID, OWNER, field::CONTROLS], &[APP, TEXT, FLAG]),
    ),
    control(("POST", "/_dev/seed"), Control::Seed, ("seed", "Import lines"), LENIENT, Takes::Lines),
    control(
        ("POST", "/_dev/snapshot"),
        Control::TakeSnapshot,
        ("snapshot", "Save the state as a named snapshot"),
        &[],
        NAMED,
    ),
    control(("POST", "/_dev/restore"), Control::Restore, ("restore", "Restore a snapshot"), &[], NAMED),
    control(
        ("GET", "/_dev/snapshots"),
        Control::Snapshots,
        ("snapshots", "List the names of all snapshots"),
        &[],
        Takes::Nothing,
    ),
    control(
        ("DELETE", "/_dev/snapshots"),
        Control::RemoveSnapshots,
        ("removeSnapshots", "Remove one snapshot, or all of them"),
        &[plain("Name", TEXT)],
        Takes::Nothing,
    ),
];

/// Returns the routes at a path, one for each method.
pub(crate) fn at(path: &str) -> impl Iterator<Item = &'static Route> {
    let path = callback::template(path).unwrap_or(path);
    ROUTES.iter().filter(move |route| route.path == path)
}

/// Returns the methods of a path, in the form of the `Allow` header; empty if the path does not exist.
#[must_use]
pub(crate) fn allowed(path: &str) -> String {
    at(path).map(|route| route.method).collect::<Vec<_>>().join(", ")
}

impl Route {
    /// Returns the path below [`CONTROLS_PATH`], if it is a control.
    #[must_use]
    pub(crate) fn control(&self) -> Option<&'static str> {
        self.path.strip_prefix(CONTROLS_PATH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_body_has_a_schema() {
        for route in ROUTES {
            if let Takes::Object(required, fields, schemas) = route.takes {
                assert_eq!(fields.len(), schemas.len(), "{} {}", route.method, route.path);
                assert!(required <= fields.len());
            }
        }
    }
}
