//! What a request below `/_dev/` asks for. It is read to its end before anything is locked or changed, so that a body
//! that comes slowly holds up nobody.

use hyper::{Method, StatusCode};

use super::{encoding, query::decode, taken::unknown_fields};
use crate::{
    api::OWNER,
    controls::FaultRule,
    domain::{AppId, Owner, UnixSeconds, UserId},
    excerpt::{plain, quoted},
    interchange::{LAST_SECOND, UnknownFields},
    masking,
    store::Scope,
    wire::{Fault, Field, Fields, FromNode, Node, Path, Value, bare, meant, unreadable},
};

const SDK_APP_ID: Field = bare("SdkAppId");
const CONTROLS: Field = bare("Controls");
const FREEZE: Field = bare("Freeze");
const ADVANCE: Field = bare("Advance");
const RESUME: Field = bare("Resume");
const NAME: Field = bare("Name");

/// What is wrong with a request: the status and what is said.
pub(super) type Refused = (StatusCode, String);

/// What can be asked for.
pub(super) enum Asked {
    Reset { scope: Scope, controls: bool },
    Seed(UnknownFields),
    TakeSnapshot(String),
    Restore(String),
    Snapshots,
    RemoveSnapshots(Option<String>),
    Clock,
    SetClock(SetClock),
    Faults,
    AddFault(FaultRule),
    RemoveFaults(Option<u32>),
    Journal { limit: u32, code: Option<u32>, command: Option<String> },
    ClearJournal,
}

/// What the clock is to do.
pub(super) enum SetClock {
    /// Stand still where it is, or at a time.
    Freeze(Option<UnixSeconds>),
    /// Go on by so many seconds.
    Advance(u32),
    /// Run as the system's.
    Resume,
}

/// A method, with the parameters of its query.
type Taken = (&'static str, &'static [&'static str]);

/// What there is: a path below `/_dev/` with the methods it takes.
const PATHS: &[(&str, &[Taken])] = &[
    ("journal", &[("GET", &["Limit", "Code", "Command"]), ("DELETE", &[])]),
    ("faults", &[("GET", &[]), ("POST", &[]), ("DELETE", &["Id"])]),
    ("clock", &[("GET", &[]), ("POST", &[])]),
    ("reset", &[("POST", &[])]),
    ("seed", &[("POST", &["lenient"])]),
    ("snapshot", &[("POST", &[])]),
    ("restore", &[("POST", &[])]),
    ("snapshots", &[("GET", &[]), ("DELETE", &["Name"])]),
];

/// The beginning of a request: everything but its body.
pub(super) struct Beginning<'a> {
    method: &'a str,
    path: &'static str,
    query: &'a str,
}

impl<'a> Beginning<'a> {
    /// Checks that there is such a request, with these parameters.
    ///
    /// # Errors
    /// What there is not, and what was probably meant.
    pub(super) fn read(method: &'a Method, path: &str, query: &'a str) -> Result<Beginning<'a>, Refused> {
        let method = method.as_str();
        let found = PATHS.iter().find(|(known, _)| *known == path);
        let taken = found.and_then(|(path, methods)| {
            let (_, parameters) = methods.iter().find(|(known, _)| *known == method)?;
            Some((*path, *parameters))
        });
        let Some((path, parameters)) = taken else { return Err(nothing_there(method, path)) };
        check_parameters(query, parameters)?;
        Ok(Beginning { method, path, query })
    }

    /// Whether its body is lines, which may be more than there is memory for.
    pub(super) fn is_seed(&self) -> bool {
        self.path == "seed"
    }

    /// What is asked for, by the whole body, which may be empty for `{}`.
    ///
    /// # Errors
    /// What is wrong with it: the field or parameter, the rule and what was found.
    pub(super) fn with_body(&self, body: &[u8]) -> Result<Asked, Refused> {
        if self.method != "POST" && !matches!(body.trim_ascii(), b"" | b"{}") {
            // What it was meant to narrow would be done in full.
            let said = format!(
                "{} /_dev/{} takes no body; what it is about stands in its query, for example ?Id=3 or ?Name=start",
                self.method, self.path
            );
            return Err(bad(said));
        }
        match (self.method, self.path) {
            ("POST", "seed") => unknown_fields(self.query).map(Asked::Seed).map_err(bad),
            ("GET", "snapshots") => Ok(Asked::Snapshots),
            ("GET", "clock") => Ok(Asked::Clock),
            ("GET", "faults") => Ok(Asked::Faults),
            ("DELETE", "journal") => Ok(Asked::ClearJournal),
            ("DELETE", "snapshots") => Ok(Asked::RemoveSnapshots(parameter(self.query, "Name")?)),
            ("DELETE", "faults") => Ok(Asked::RemoveFaults(number(self.query, "Id")?)),
            ("GET", "journal") => self.journal(),
            _ => self.object(if body.is_empty() { b"{}" } else { body }),
        }
    }

    fn journal(&self) -> Result<Asked, Refused> {
        let code = number(self.query, "Code")?;
        if let Some(code) = code.filter(|code| *code != 0 && !(10_000..=99_999).contains(code)) {
            return Err(bad(format!("Code must be 0 or an error code from 10000 to 99999, found {code}")));
        }
        let limit = number(self.query, "Limit")?.unwrap_or(100);
        Ok(Asked::Journal { limit, code, command: parameter(self.query, "Command")? })
    }

    fn object(&self, text: &[u8]) -> Result<Asked, Refused> {
        let text = match encoding::without_mark(text) {
            // An empty object, as PHP writes it.
            empty if empty.trim_ascii() == b"[]" => b"{}",
            text => text,
        };
        let node = Node::parse(text).map_err(|error| {
            bad(encoding::foreign(text).map_or_else(
                || format!("the body is not a JSON object: {}", unreadable(text, &error)),
                str::to_owned,
            ))
        })?;
        let fields = Fields::of_request(&node).map_err(|fault| bad(format!("the body {fault}")))?;
        self.fields(&node, fields).map_err(|fault| {
            bad(if fault.path.is_empty() { format!("the body {fault}") } else { fault.to_string() })
        })
    }

    fn fields(&self, node: &Node<'_>, fields: Fields<'_>) -> Result<Asked, Fault> {
        let known: &[Field] = match self.path {
            "reset" => &[SDK_APP_ID, OWNER, CONTROLS],
            "clock" => &[FREEZE, ADVANCE, RESUME],
            "faults" => FaultRule::FIELDS,
            _ => &[NAME],
        };
        let fields =
            fields.only(known, UnknownFields::Refused, &format!("the body of /_dev/{}", self.path), "")?;
        // A variable that was not set must not make everything of one app.
        if let Node::Object(members) = node
            && let Some((name, _)) = members.iter().find(|(_, value)| *value == Node::Null)
        {
            let said = "it is null; leave it out, or give it a value";
            return Err(Fault::refused(Path::Member(&Path::Root, name), said));
        }
        match self.path {
            "reset" => reset(fields),
            "clock" => set_clock(node, fields).map(Asked::SetClock),
            "faults" => FaultRule::read(fields).map(Asked::AddFault),
            path => {
                let name = fields.text(&NAME)?.to_owned();
                Ok(if path == "restore" { Asked::Restore(name) } else { Asked::TakeSnapshot(name) })
            }
        }
    }
}

fn reset(fields: Fields<'_>) -> Result<Asked, Fault> {
    let app = fields.optional(&SDK_APP_ID, |value| {
        (value.read::<i64>().ok().and_then(|number| AppId::new(u32::try_from(number).ok()?)))
            .ok_or_else(|| Fault::unfit(value.path, "a number from 1 to 4294967295", value.node))
    })?;
    let user = fields.optional(&OWNER, |value| {
        UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
    })?;
    let controls = fields.optional(&CONTROLS, |value| value.read::<bool>())?.unwrap_or(false);
    let scope = match (app, user) {
        (None, None) => Scope::All,
        (Some(app), None) => Scope::App(app),
        (Some(app), Some(user)) => Scope::Owner(Owner { app, user }),
        (None, Some(_)) => return Err(fields.refused(&OWNER, "it needs its SdkAppId")),
    };
    Ok(Asked::Reset { scope, controls })
}

fn set_clock(node: &Node<'_>, fields: Fields<'_>) -> Result<SetClock, Fault> {
    let one_of = "give one of Freeze (true, or seconds since 1970), Advance (seconds) and Resume (true)";
    let Node::Object(members) = node else { return Err(Fault::refused(Path::Root, one_of)) };
    let [(name, _)] = &members[..] else {
        return Err(Fault::refused(Path::Root, one_of));
    };
    let only_true = |value: Value<'_>, expected: &str| match value.node {
        Node::Bool(true) => Ok(()),
        other => Err(Fault::unfit(value.path, expected.to_owned(), other)),
    };
    match &**name {
        name if name == FREEZE.name => {
            let expected = format!("true, or a time in seconds since 1970, from 1 to {LAST_SECOND}");
            let at = fields.required(&FREEZE, |value| match value.node {
                Node::Bool(_) => only_true(value, &expected).map(|()| None),
                node => match i64::from_node(node).and_then(|at| u64::try_from(at).ok()) {
                    Some(at) if (1..=LAST_SECOND).contains(&at) => Ok(Some(at)),
                    _ => Err(Fault::unfit(value.path, expected, node)),
                },
            })?;
            Ok(SetClock::Freeze(at))
        }
        name if name == ADVANCE.name => {
            let seconds = fields.required(&ADVANCE, |value| {
                i64::from_node(value.node).and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(|| {
                    Fault::unfit(value.path, "a number of seconds from 0 to 4294967295", value.node)
                })
            })?;
            Ok(SetClock::Advance(seconds))
        }
        _ => fields.required(&RESUME, |value| only_true(value, "true")).map(|()| SetClock::Resume),
    }
}

fn bad(said: String) -> Refused {
    (StatusCode::BAD_REQUEST, said)
}

/// The refusal of a path that there is not, or that does not take this method.
fn nothing_there(method: &str, path: &str) -> Refused {
    let there: Vec<String> = (PATHS.iter())
        .map(|(path, methods)| {
            let methods: Vec<&str> = methods.iter().map(|(method, _)| *method).collect();
            format!("{} {path}", methods.join(" and "))
        })
        .collect();
    let known: Vec<&str> = PATHS.iter().map(|(known, _)| *known).collect();
    let hint = match meant(path, &known) {
        Some(other) if !known.contains(&path) => format!("; did you mean /_dev/{other}?"),
        _ => String::new(),
    };
    let said = format!(
        "there is no {} of /_dev/{}{hint}; there are {}",
        plain(method),
        plain(path),
        there.join(", ")
    );
    (StatusCode::NOT_FOUND, said)
}

/// Refuses a parameter that there is not, and one that is there twice: a misspelt one would widen what is done.
fn check_parameters(query: &str, known: &[&str]) -> Result<(), Refused> {
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let there = match known {
            [] => "; it has none".to_owned(),
            known => match meant(name, known) {
                Some(other) => format!("; did you mean {other}?"),
                _ => format!("; it has {}", known.join(", ")),
            },
        };
        if !known.contains(&name) {
            return Err(bad(format!(
                "this request has no parameter {}{there}",
                quoted(&masking::text(pair))
            )));
        }
        if seen.contains(&name) {
            return Err(bad(format!("the parameter {name} is there twice, and only one can count")));
        }
        if value.is_empty() {
            return Err(bad(format!("the parameter {name} is empty; leave it out, or give it a value")));
        }
        seen.push(name);
    }
    Ok(())
}

/// A parameter of the query, without escapes.
fn parameter(query: &str, name: &str) -> Result<Option<String>, Refused> {
    let found = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    let Some((_, value)) = found else { return Ok(None) };
    decode(value).map(|value| Some(value.into_owned())).map_err(|error| bad(error.to_string()))
}

fn number(query: &str, name: &str) -> Result<Option<u32>, Refused> {
    let Some(text) = parameter(query, name)? else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| bad(format!("{name} must be a number from 0 to 4294967295, found {}", quoted(&text))))
}
