//! Parses requests below `/_dev/`. They are parsed completely before anything is locked or changed, so that a slow
//! body does not block other requests.

use super::{
    query::{check_parameters, number, parameter},
    refusal::{Refused, bad},
};
use crate::{
    api::OWNER,
    call::{answer::Status, encoding, lines::unknown_fields},
    controls::FaultRule,
    domain::{AppId, Owner, UnixSeconds, UserId},
    excerpt::plain,
    interchange::{LAST_SECOND, UnknownFields},
    routes::{
        self, CONTROLS_PATH, Control, Handler, ROUTES, Route, Takes,
        field::{ADVANCE, CONTROLS, FREEZE, NAME, RESUME, SDK_APP_ID},
    },
    store::Scope,
    wire::{Fault, Field, Fields, FromNode, Node, Path, Value, meant, unreadable},
};

/// A parsed request.
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

/// A change of the clock.
pub(super) enum SetClock {
    /// Stop at the current time or at a given one.
    Freeze(Option<UnixSeconds>),
    /// Move forward by a number of seconds.
    Advance(u32),
    /// Follow the system clock again.
    Resume,
}

/// A request without its body.
pub(super) struct Beginning<'a> {
    route: &'static Route,
    control: Control,
    query: &'a str,
}

impl<'a> Beginning<'a> {
    /// Finds the route of a request and checks its query parameters.
    ///
    /// # Errors
    /// Returns a message that names the unknown route or parameter and suggests the one that was probably meant.
    pub(super) fn read(method: &str, path: &str, query: &'a str) -> Result<Beginning<'a>, Refused> {
        let found = routes::at(path).find(|route| route.method == method);
        let Some((route, Handler::Control(control))) = found.map(|route| (route, route.handler)) else {
            return Err(unknown_route(method, path));
        };
        check_parameters(query, route.parameters)?;
        Ok(Beginning { route, control, query })
    }

    /// Returns whether the body consists of lines, which may not fit into memory.
    pub(super) fn takes_lines(&self) -> bool {
        matches!(self.route.takes, Takes::Lines)
    }

    /// Parses the complete body. An empty one counts as `{}`.
    ///
    /// # Errors
    /// Returns a message that names the field or parameter, the rule and what was found.
    pub(super) fn with_body(&self, body: &[u8]) -> Result<Asked, Refused> {
        if self.route.method != "POST" && !matches!(body.trim_ascii(), b"" | b"{}") {
            // The body was probably meant to narrow the request down. Without it, too much would be deleted.
            let said = format!(
                "{} {} takes no body; use query parameters instead, for example ?Id=3 or ?Name=start",
                self.route.method, self.route.path
            );
            return Err(bad(said));
        }
        match self.control {
            Control::Seed => unknown_fields(self.query).map(Asked::Seed).map_err(bad),
            Control::Snapshots => Ok(Asked::Snapshots),
            Control::Clock => Ok(Asked::Clock),
            Control::Faults => Ok(Asked::Faults),
            Control::ClearJournal => Ok(Asked::ClearJournal),
            Control::RemoveSnapshots => Ok(Asked::RemoveSnapshots(parameter(self.query, "Name")?)),
            Control::RemoveFaults => Ok(Asked::RemoveFaults(number(self.query, "Id")?)),
            Control::Journal => self.journal(),
            Control::Reset => self.object(body, |_, fields| reset(fields)),
            Control::SetClock => {
                self.object(body, |node, fields| set_clock(node, fields).map(Asked::SetClock))
            }
            Control::AddFault => self.object(body, |_, fields| FaultRule::read(fields).map(Asked::AddFault)),
            Control::TakeSnapshot => self.object(body, |_, fields| name(fields).map(Asked::TakeSnapshot)),
            Control::Restore => self.object(body, |_, fields| name(fields).map(Asked::Restore)),
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

    /// Parses the JSON object of a body. An empty body counts as `{}`.
    fn object(
        &self,
        text: &[u8],
        read: impl Fn(&Node<'_>, Fields<'_>) -> Result<Asked, Fault>,
    ) -> Result<Asked, Refused> {
        let text = match encoding::without_mark(text) {
            // PHP encodes an empty object as an empty list.
            empty if empty.trim_ascii() == b"[]" => b"{}",
            _ if text.is_empty() => b"{}",
            text => text,
        };
        let node = Node::parse(text).map_err(|error| {
            bad(encoding::foreign(text).map_or_else(
                || format!("the body is not a JSON object: {}", unreadable(text, &error)),
                str::to_owned,
            ))
        })?;
        let fields = Fields::of_request(&node).map_err(|fault| bad(format!("the body {fault}")))?;
        let fields = self.check_fields(&node, fields);
        fields.and_then(|fields| read(&node, fields)).map_err(|fault| {
            bad(if fault.path.is_empty() { format!("the body {fault}") } else { fault.to_string() })
        })
    }

    fn check_fields<'f>(&self, node: &Node<'_>, fields: Fields<'f>) -> Result<Fields<'f>, Fault> {
        let known: &[Field] = match self.route.takes {
            Takes::Object(_, known, _) => known,
            Takes::Nothing | Takes::Lines | Takes::AnyObject => &[],
        };
        let fields =
            fields.only(known, UnknownFields::Refused, &format!("the body of {}", self.route.path), "")?;
        // Null is refused because it usually comes from an unset variable, which would, for example, reset everything
        // instead of one app.
        if let Node::Object(members) = node
            && let Some((name, _)) = members.iter().find(|(_, value)| *value == Node::Null)
        {
            let said = "it is null; omit it or give it a value";
            return Err(Fault::refused(Path::Member(&Path::Root, name), said));
        }
        Ok(fields)
    }
}

/// Reads the name of a snapshot.
fn name(fields: Fields<'_>) -> Result<String, Fault> {
    fields.text(&NAME).map(str::to_owned)
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
        (None, Some(_)) => return Err(fields.refused(&OWNER, "it requires SdkAppId as well")),
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

/// Creates the refusal of an unknown path, or of a method that the path does not take.
fn unknown_route(method: &str, path: &str) -> Refused {
    let mut known: Vec<&str> = ROUTES.iter().filter_map(Route::control).collect();
    known.dedup();
    let there: Vec<String> = (known.iter())
        .map(|known| {
            format!("{} {known}", routes::allowed(&format!("{CONTROLS_PATH}{known}")).replace(", ", " and "))
        })
        .collect();
    let path = path.strip_prefix(CONTROLS_PATH).unwrap_or(path);
    let hint = match meant(path, &known) {
        Some(other) if !known.contains(&path) => format!("; did you mean {CONTROLS_PATH}{other}?"),
        _ => String::new(),
    };
    let said = format!(
        "{} {CONTROLS_PATH}{} does not exist{hint}; available below {CONTROLS_PATH} are {}",
        plain(method),
        plain(path),
        there.join(", ")
    );
    (Status::NotFound, said)
}
