//! `/_dev/`: the controls of an emulator over HTTP, with ordinary statuses (decision 22).
//!
//! They are there only where the server was started with them, and – with a token – for those who have it. A web
//! page that a developer happens to look at cannot use them: see [`origin`].

use hyper::{HeaderMap, Method, Response, StatusCode, Version, body::Incoming, header, http::request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Door,
    activity::Activity,
    answer::{self, Answered},
    body::{self, Bounds},
    encoding, origin,
};
use crate::{
    api::Error,
    auth::Token,
    controls::{Controls, FaultRule, SnapshotError},
    domain::{AppId, Limits, Owner, UnixSeconds, UserId},
    excerpt::{self, plain, quoted},
    interchange::{LAST_SECOND, Purpose, Terms},
    masking,
    store::{Scope, StoreError},
    wire::code::Code,
};

/// The paths there are, below `/_dev/`, with what they take; for the message about one that is not.
const PATHS: &str = "GET and DELETE journal; GET, POST and DELETE faults; GET and POST clock; POST reset, seed, \
                     snapshot and restore; GET snapshots";

/// The largest body of a control, apart from a seed, whose lines are taken in as they come.
const BODY_BYTES: usize = 1 << 20;

/// What is wrong with a request: the status and what is said.
type Refused = (StatusCode, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Reset {
    #[serde(rename = "SdkAppId")]
    app: Option<u32>,
    #[serde(rename = "From_Account")]
    owner: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Named {
    name: String,
}

/// One of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct SetClock {
    /// `true` where it is, or a time.
    freeze: Option<Freeze>,
    /// So many seconds.
    advance: Option<u32>,
    /// As the system's.
    resume: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Freeze {
    Here(bool),
    At(UnixSeconds),
}

impl Door {
    /// Answers a request below `/_dev/`.
    pub(super) async fn control(&self, head: &Parts, body: &mut Incoming, activity: &Activity) -> Answered {
        match self.try_control(head, body, activity).await {
            Ok(response) => Answered::given(response),
            Err((status, said)) => {
                Answered::refused(answer::failure(status, Code::RESOURCE, &masking::text(&said)))
            }
        }
    }

    async fn try_control(
        &self,
        head: &Parts,
        body: &mut Incoming,
        activity: &Activity,
    ) -> Result<Response<answer::Body>, Refused> {
        let forbidden = |said: String| (StatusCode::FORBIDDEN, said);
        let Some(controls) = &self.controls else {
            let said = "the controls under /_dev/ are closed here; confold dev has them, and serve with the setting \
                        controls.token_file";
            return Err(forbidden(said.to_owned()));
        };
        origin::check_page(&head.headers).map_err(forbidden)?;
        match &controls.token {
            // A page cannot know the token, whatever name it calls this server by.
            Some(token) if has_token(token, &head.headers) => {}
            Some(_) => {
                let said = "the controls under /_dev/ need the header Authorization: Bearer TOKEN, with the token that \
                            confold dev has printed, or that the setting controls.token_file names";
                return Err(forbidden(said.to_owned()));
            }
            None => self.hosts.check(&head.uri, &head.headers).map_err(forbidden)?,
        }
        // From here on it is no stranger's: seeding may take its time.
        activity.mark_signed();
        let path = head.uri.path().strip_prefix("/_dev/").unwrap_or_default();
        let query = head.uri.query().unwrap_or("");
        check_parameters(query, path)?;
        // What changes everything happens one after the other.
        let _turn = match path {
            "seed" | "reset" | "snapshot" | "restore" => Some(controls.turn.lock().await),
            _ => None,
        };
        let store = &self.service.store;
        let bounds = self.bounds_of_controls(head, activity);
        let reply = match (&head.method, path) {
            (&Method::POST, "seed") => {
                // Of the apps' limits the widest: a file may be about several.
                let widest = self
                    .entrance()
                    .gate
                    .apps()
                    .all()
                    .iter()
                    .map(|app| app.limits)
                    .max_by_key(|one| one.groups);
                let limits = widest.unwrap_or(Limits::TENCENT);
                let clock = self.service.clock.clone();
                let terms = Terms { purpose: Purpose::Apply, limits, only: None, clock };
                // The status says whether every line was taken.
                let taken = self.take_in(terms, || Ok(()), &head.headers, body, None).await;
                return Ok(taken.unwrap_or_else(super::transfer::Refusal::answer));
            }
            (&Method::POST, "reset") => {
                store.reset(scope(read(body, bounds).await?)?).await.map_err(|error| failed(&error))?;
                json!({})
            }
            (&Method::POST, "snapshot") => {
                let Named { name } = read(body, bounds).await?;
                controls.snapshots.take(name, std::sync::Arc::clone(store)).await.map_err(unkept)?;
                json!({ "Snapshots": controls.snapshots.names() })
            }
            (&Method::POST, "restore") => {
                let Named { name } = read(body, bounds).await?;
                let clock = self.service.clock.clone();
                json!({ "Lines": controls.snapshots.restore(&name, &**store, clock).await.map_err(unkept)? })
            }
            (&Method::GET, "snapshots") => json!({ "Snapshots": controls.snapshots.names() }),
            (&Method::GET, "clock") => self.told_clock(),
            (&Method::POST, "clock") => {
                self.set_clock(&read(body, bounds).await?)?;
                self.told_clock()
            }
            (&Method::GET, "faults") => json!({ "Faults": controls.faults.all() }),
            (&Method::POST, "faults") => {
                let rule: FaultRule = read(body, bounds).await?;
                let rule = controls.faults.add(rule).map_err(|said| (StatusCode::BAD_REQUEST, said))?;
                json!(rule)
            }
            (&Method::DELETE, "faults") => {
                let id = parameter(query, "Id").map(|id| number(id, "Id")).transpose()?;
                json!({ "Removed": controls.faults.remove(id) })
            }
            (&Method::GET, "journal") => told_journal(controls, query)?,
            (&Method::DELETE, "journal") => {
                controls.journal.clear();
                json!({})
            }
            (method, path) => {
                let said = format!(
                    "there is no {} of /_dev/{}; there are {PATHS}",
                    plain(method.as_str()),
                    plain(path)
                );
                return Err((StatusCode::NOT_FOUND, said));
            }
        };
        Ok(answer::json_with(StatusCode::OK, reply.to_string().into_bytes()))
    }

    /// What the bodies of controls are read with.
    fn bounds_of_controls<'a>(&'a self, head: &'a Parts, activity: &'a Activity) -> Bounds<'a> {
        let shared = (head.version == Version::HTTP_2).then_some(activity);
        let bytes = BODY_BYTES.min(self.bodies.most());
        Bounds { headers: &head.headers, bytes, bodies: &self.bodies, shared }
    }

    fn told_clock(&self) -> Value {
        let clock = &self.service.clock;
        json!({ "Now": clock.now(), "Frozen": clock.is_frozen() })
    }

    fn set_clock(&self, set: &SetClock) -> Result<(), Refused> {
        let clock = &self.service.clock;
        let at = match *set {
            SetClock { freeze: Some(Freeze::At(at)), .. } => at,
            SetClock { advance: Some(seconds), .. } => clock.now().saturating_add(u64::from(seconds)),
            _ => 1,
        };
        if !(1..=LAST_SECOND).contains(&at) {
            let said = format!("the clock goes from 1 to {LAST_SECOND}, the year 9999; this would be {at}");
            return Err((StatusCode::BAD_REQUEST, said));
        }
        match *set {
            SetClock { freeze: Some(Freeze::Here(true)), advance: None, resume: None } => clock.freeze(None),
            SetClock { freeze: Some(Freeze::At(at)), advance: None, resume: None } => clock.freeze(Some(at)),
            SetClock { freeze: None, advance: Some(seconds), resume: None } => clock.advance(seconds),
            SetClock { freeze: None, advance: None, resume: Some(true) } => clock.resume(),
            _ => {
                let said =
                    "give one of Freeze (true, or seconds since 1970), Advance (seconds) and Resume (true)";
                return Err((StatusCode::BAD_REQUEST, said.to_owned()));
            }
        }
        Ok(())
    }
}

fn has_token(token: &Token, headers: &HeaderMap) -> bool {
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    said.and_then(|said| said.strip_prefix("Bearer ")).is_some_and(|said| token.is(said))
}

/// Refuses a parameter that there is not: a misspelt one would widen what is done.
fn check_parameters(query: &str, path: &str) -> Result<(), Refused> {
    let known: &[&str] = match path {
        "faults" => &["Id"],
        "journal" => &["Limit", "Code", "Command"],
        _ => &[],
    };
    let bad = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .find(|pair| pair.split_once('=').is_none_or(|(name, _)| !known.contains(&name)));
    match bad {
        None => Ok(()),
        Some(pair) => Err((
            StatusCode::BAD_REQUEST,
            format!("there is no parameter {} here; there are {known:?}", quoted(&masking::text(pair))),
        )),
    }
}

/// The body, which may be empty for `{}`.
async fn read<T: DeserializeOwned>(body: &mut Incoming, bounds: Bounds<'_>) -> Result<T, Refused> {
    let bad = |said: String| (StatusCode::BAD_REQUEST, said);
    let whole = body::read(body, bounds).await.map_err(|error| match error {
        Error::ManyBodies { .. } => (StatusCode::SERVICE_UNAVAILABLE, error.told().info),
        error => bad(error.told().info),
    })?;
    let text = match encoding::without_mark(&whole.bytes) {
        [] => &b"{}"[..],
        text => text,
    };
    let unusable = |error: serde_json::Error| bad(format!("the body cannot be used: {error}"));
    let read = serde_json::from_slice(text);
    let value: Value = read.map_err(|error| {
        encoding::foreign(text).map_or_else(|| unusable(error), |said| bad(said.to_owned()))
    })?;
    // An empty object, as PHP writes it.
    let value = if value == json!([]) { json!({}) } else { value };
    let Some(fields) = value.as_object() else {
        return Err(bad("the body must be one JSON object".to_owned()));
    };
    // A variable that was not set must not make everything of one app.
    if let Some((name, _)) = fields.iter().find(|(_, value)| value.is_null()) {
        return Err(bad(format!("{} is null; leave it out, or give it a value", plain(name))));
    }
    serde_json::from_value(value.clone()).map_err(|_| {
        // The reader's error repeats texts of the body: it is made again from one whose texts are short.
        match serde_json::from_value::<T>(in_short(value)) {
            Err(error) => unusable(error),
            Ok(_) => bad("the body cannot be used: a text in it is too long".to_owned()),
        }
    })
}

/// The same value, of whose texts and names only the beginning is left.
fn in_short(value: Value) -> Value {
    let cut = |text: &str| text.chars().take(excerpt::CHARACTERS).collect::<String>();
    match value {
        Value::String(text) => cut(&text).into(),
        Value::Array(items) => items.into_iter().map(in_short).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (cut(&name), in_short(value))).collect()
        }
        other => other,
    }
}

fn scope(reset: Reset) -> Result<Scope, Refused> {
    let bad = |said: String| (StatusCode::BAD_REQUEST, said);
    let app = |number| AppId::new(number).ok_or_else(|| bad("SdkAppId must be a number from 1".to_owned()));
    match (reset.app, reset.owner) {
        (None, None) => Ok(Scope::All),
        (Some(number), None) => Ok(Scope::App(app(number)?)),
        (Some(number), Some(owner)) => {
            let user =
                UserId::parse(&owner).map_err(|reason| bad(format!("From_Account is refused: {reason}")))?;
            Ok(Scope::Owner(Owner { app: app(number)?, user }))
        }
        (None, Some(_)) => Err(bad("From_Account needs its SdkAppId".to_owned())),
    }
}

/// The last calls that a query asks for, and how often commands were called that are not here.
fn told_journal(controls: &Controls, query: &str) -> Result<Value, Refused> {
    let limit = parameter(query, "Limit").map_or(Ok(100), |limit| number(limit, "Limit"))?;
    let code: Option<u32> = parameter(query, "Code").map(|code| number(code, "Code")).transpose()?;
    let command = parameter(query, "Command");
    let calls = controls.journal.last(limit as usize, |entry| {
        code.is_none_or(|code| entry.code == code)
            && command.is_none_or(|name| entry.path.rsplit('/').next() == Some(name))
    });
    let mut reply = json!({ "Calls": calls });
    let absent = controls.journal.absent();
    if !absent.is_empty() {
        reply["Unimplemented"] = json!(absent);
    }
    Ok(reply)
}

/// A parameter of the query string; none of ours needs an escape.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value)
}

fn number(text: &str, name: &str) -> Result<u32, Refused> {
    text.parse()
        .map_err(|_| (StatusCode::BAD_REQUEST, format!("{name} must be a number, found {}", quoted(text))))
}

fn failed(error: &StoreError) -> Refused {
    tracing::error!(%error, "the store failed under a control");
    (StatusCode::SERVICE_UNAVAILABLE, "the store failed; its log says why".to_owned())
}

fn unkept(error: SnapshotError) -> Refused {
    match error {
        SnapshotError::Unknown(_) => (StatusCode::NOT_FOUND, error.to_string()),
        SnapshotError::LongName(_) | SnapshotError::Many => (StatusCode::BAD_REQUEST, error.to_string()),
        SnapshotError::Store(error) => failed(&error),
        other => (StatusCode::SERVICE_UNAVAILABLE, other.to_string()),
    }
}
