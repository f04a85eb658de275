//! The table of everything that is not a command of the service: methods, paths, who may ask, what answers, and the
//! description. Dispatch, refusals and the paths of `/openapi.json` come from it.

use crate::{api::OWNER, controls::FaultRule, wire::Field};

/// One method of one path.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// Who may ask.
    pub admits: Admits,
    /// What answers.
    pub handler: Handler,
    /// Its name in the description.
    pub id: &'static str,
    /// What it does; empty where the name says it.
    pub summary: &'static str,
    /// The parameters of its query.
    pub parameters: &'static [Property],
    /// What it takes as a body.
    pub takes: Takes,
    /// Its answers, by status.
    pub answers: &'static [(u16, Reply)],
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Everybody.
    Everybody,
    /// Everybody but web pages.
    Programs,
    /// Administrators of an app, by their signature.
    Administrators,
    /// Those for whom the controls are open.
    Testers,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table says what each does")]
pub enum Handler {
    Alive,
    Ready,
    Metrics,
    Document,
    Export,
    Check,
    Import,
    Control(Control),
}

/// A control of an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table says what each does")]
pub enum Control {
    Journal,
    ClearJournal,
    Faults,
    AddFault,
    RemoveFaults,
    Clock,
    SetClock,
    Reset,
    Seed,
    TakeSnapshot,
    Restore,
    Snapshots,
    RemoveSnapshots,
}

/// A parameter of a query.
#[derive(Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// Its JSON schema.
    pub schema: &'static str,
    /// What it is for; empty where the name says it.
    pub about: &'static str,
}

/// What a route takes as a body.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// Lines of the file format.
    Lines,
    /// An object with these fields and no others, of which the first so many have to be there, and the JSON schema of
    /// each field.
    Object(usize, &'static [Field], &'static [&'static str]),
}

/// What an answer is.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// A plain text, and what it means.
    Text(&'static str),
    /// A JSON object.
    Object,
    /// What became of lines.
    Report,
    /// The same with faults.
    BadLines,
    /// Lines of the file format.
    Lines,
    /// A refusal in the form of all others.
    Refused,
}

/// What the paths of controls begin with.
pub const CONTROLS_PATH: &str = "/_dev/";

/// The fields of the bodies of controls.
pub mod field {
    use crate::wire::{Field, bare};

    /// The app that a control is about.
    pub const SDK_APP_ID: Field = bare("SdkAppId");
    /// Whether a reset includes the controls themselves.
    pub const CONTROLS: Field = bare("Controls");
    /// Stops the clock.
    pub const FREEZE: Field = bare("Freeze");
    /// Moves the clock on.
    pub const ADVANCE: Field = bare("Advance");
    /// Lets the clock run again.
    pub const RESUME: Field = bare("Resume");
    /// The name of a snapshot.
    pub const NAME: Field = bare("Name");
}

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
    about: "1: fields that a line cannot have are ignored, unless they look like one that it can have.",
}];
const NAMED: Takes = Takes::Object(1, &[field::NAME], &[NAME]);
/// The schemas of the fields of a fault rule.
const RULE: &[&str] = &[TEXT, TEXT, PART, NUMBER, CODE, TEXT, NUMBER, FLAG, FLAG];

/// A probe: a GET without parameters.
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

/// A transfer of lines: a signed POST.
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

/// A control.
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

/// All routes. Refusals name controls in this order.
pub const ROUTES: &[Route] = &[
    probe(
        "/healthz",
        Admits::Everybody,
        Handler::Alive,
        "alive",
        &[(200, Reply::Text("The process answers."))],
    ),
    probe(
        "/readyz",
        Admits::Everybody,
        Handler::Ready,
        "ready",
        &[(200, Reply::Text("The store answers.")), (503, Reply::Text("It does not."))],
    ),
    probe(
        "/metrics",
        Admits::Programs,
        Handler::Metrics,
        "metrics",
        &[(200, Reply::Text("For Prometheus.")), (404, Reply::Text("They are off."))],
    ),
    probe("/openapi.json", Admits::Everybody, Handler::Document, "openapi", &[(200, Reply::Object)]),
    transfer("/interchange/export", Handler::Export, "export", "Everything of the app as lines"),
    transfer("/interchange/check", Handler::Check, "check", "Say what lines would be refused for, or change"),
    transfer("/interchange/import", Handler::Import, "import", "Apply lines"),
    control(
        ("GET", "/_dev/journal"),
        Control::Journal,
        ("journal", "The last calls"),
        &[plain("Limit", NUMBER), plain("Code", NUMBER), plain("Command", TEXT)],
        Takes::Nothing,
    ),
    control(
        ("DELETE", "/_dev/journal"),
        Control::ClearJournal,
        ("clearJournal", "Forget the calls"),
        &[],
        Takes::Nothing,
    ),
    control(("GET", "/_dev/faults"), Control::Faults, ("faults", "The fault rules"), &[], Takes::Nothing),
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
        ("removeFaults", "Remove all fault rules, or one"),
        &[plain("Id", NUMBER)],
        Takes::Nothing,
    ),
    control(("GET", "/_dev/clock"), Control::Clock, ("clock", "The clock"), &[], Takes::Nothing),
    control(
        ("POST", "/_dev/clock"),
        Control::SetClock,
        ("setClock", "Stop the clock, move it on, let it run"),
        &[],
        Takes::Object(0, &[field::FREEZE, field::ADVANCE, field::RESUME], &[FREEZE, NUMBER, FLAG]),
    ),
    control(
        ("POST", "/_dev/reset"),
        Control::Reset,
        ("reset", "Forget everything, an app or an owner"),
        &[],
        Takes::Object(0, &[field::SDK_APP_ID, OWNER, field::CONTROLS], &[APP, TEXT, FLAG]),
    ),
    control(
        ("POST", "/_dev/seed"),
        Control::Seed,
        ("seed", "Apply lines of the file format"),
        LENIENT,
        Takes::Lines,
    ),
    control(
        ("POST", "/_dev/snapshot"),
        Control::TakeSnapshot,
        ("snapshot", "Keep the state under a name"),
        &[],
        NAMED,
    ),
    control(("POST", "/_dev/restore"), Control::Restore, ("restore", "Bring a state back"), &[], NAMED),
    control(
        ("GET", "/_dev/snapshots"),
        Control::Snapshots,
        ("snapshots", "The names there are"),
        &[],
        Takes::Nothing,
    ),
    control(
        ("DELETE", "/_dev/snapshots"),
        Control::RemoveSnapshots,
        ("removeSnapshots", "Remove all snapshots, or one"),
        &[plain("Name", TEXT)],
        Takes::Nothing,
    ),
];

/// What there is at a path: one route for each method that it takes.
pub fn at(path: &str) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |route| route.path == path)
}

/// The methods that a path takes, as the header `Allow` has them; empty when there is nothing.
#[must_use]
pub fn allowed(path: &str) -> String {
    at(path).map(|route| route.method).collect::<Vec<_>>().join(", ")
}

impl Route {
    /// The path of a control below [`CONTROLS_PATH`].
    #[must_use]
    pub fn control(&self) -> Option<&'static str> {
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
