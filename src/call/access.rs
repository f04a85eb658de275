//! Admits calls by the head of the request: path, query, caller, rate, in this order. The body comes later, so that a
//! refused caller learns nothing about bodies or users.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use super::{
    head::Head,
    query::Query,
    rate::{NearLimit, RateLimit, Rates},
};
use crate::{
    api::{Absent, Command, Error, Family},
    auth::{Apps, Callback, Caller, Credentials, Gate},
    domain::{AppId, UnixSeconds},
    excerpt::{self, quoted},
    masking,
    metrics::CallsOfApps,
    webhooks::Webhooks,
};

/// Who has access, and at what rate. A new value replaces this one when the apps change. A call in progress keeps the
/// value with which it was admitted.
pub(super) struct Access {
    pub(super) gate: Gate,
    rates: Rates,
    /// The webhooks, which report that an app comes close to a limit.
    webhooks: Option<Arc<Webhooks>>,
    /// Whether parameters that have no effect must be well-formed, too (strict mode).
    strict: bool,
    /// The counted calls of each app.
    pub(super) calls: CallsOfApps,
}

/// Returns the command that a path calls.
pub(super) fn command_at(path: &str) -> Result<Command, Error> {
    let unknown = || {
        Error::NoResource(format!(
            "there is nothing at {}; calls go to /v4/<service>/<command>, for example {}",
            quoted(&shown(path)),
            Command::GetContactGroup.path(),
        ))
    };
    let (service, name) =
        path.strip_prefix("/v4/").and_then(|rest| rest.split_once('/')).ok_or_else(unknown)?;
    let family = Family::find(service);
    if let Some(command) = family.and_then(|family| Command::find(family, name)) {
        return Ok(command);
    }
    if let Some(absent) = Absent::find(service, name) {
        return Err(Error::Absent(absent));
    }
    let service = family.map(Family::name).or_else(|| Absent::service_named(service)).ok_or_else(unknown)?;
    Err(Error::NoCommand { service, name: shown(name) })
}

/// Returns a path for display, shortened if it is long. It is cut where a query that is not separated by a question
/// mark may begin, because a signature must never be shown.
pub(super) fn shown(path: &str) -> String {
    let path = masking::path(path);
    let path = path.split(['&', '?', '=', ';']).next().unwrap_or_default();
    excerpt::plain(path).to_string()
}

/// Returns the identifier that a request claims, without checking it, for the log.
pub(super) fn claimed(query: Option<&str>) -> Option<String> {
    Query::parse(query?).ok()?.identifier.map(Cow::into_owned)
}

/// Returns the app that a request claims, without checking it, for the metrics.
pub(super) fn claimed_app(query: Option<&str>) -> Option<AppId> {
    Query::parse(query?).ok()?.sdkappid?.parse().ok().and_then(AppId::new)
}

impl Access {
    /// Creates the access rules from a gate and a rate limit.
    pub(super) fn new(gate: Gate, rate: RateLimit, strict: bool, webhooks: Option<Arc<Webhooks>>) -> Access {
        let rates = Rates::new(rate, gate.apps());
        let calls = CallsOfApps::default().with(gate.apps());
        Access { gate, rates, webhooks, strict, calls }
    }

    /// Returns access rules that admit only the administrators of these apps. Counters and cached signatures are kept
    /// if they still apply.
    pub(super) fn with(&self, apps: Apps) -> Access {
        let (rates, calls) = (self.rates.with(&apps), self.calls.with(&apps));
        let webhooks = self.webhooks.clone();
        Access { gate: self.gate.with(apps), rates, webhooks, calls, strict: self.strict }
    }

    /// Admits a call of `command` received at `now`, and counts it.
    pub(super) fn admit(
        &self,
        command: Command,
        head: &Head<'_>,
        now: UnixSeconds,
    ) -> Result<Caller<'_>, Error> {
        let caller = self.identify(command.family().name(), head, now)?;
        let near = self.rates.take(caller.app, command, head.started)?;
        if let (Some(NearLimit { is_of_command, calls, limit }), Some(webhooks)) = (near, &self.webhooks) {
            let command = is_of_command.then(|| (command.family().name(), command.name()));
            webhooks.warn_of_limit(caller.app.id, command, calls, limit);
        }
        Ok(caller)
    }

    /// Counts a webhook that an app receives. Returns false when the app's limit of this second is reached.
    pub(super) fn take_callback(&self, app: AppId, callback: &Callback, head: &Head<'_>) -> bool {
        self.rates.take_callback(app, callback.calls_per_second, head.started)
    }

    /// Admits an administrator as the caller of a service.
    pub(super) fn identify(
        &self,
        service: &str,
        head: &Head<'_>,
        now: UnixSeconds,
    ) -> Result<Caller<'_>, Error> {
        self.identify_by(service, head.query.unwrap_or(""), head.source, now)
    }

    /// Admits an administrator as the caller of a service by a query string.
    pub(super) fn identify_by(
        &self,
        service: &str,
        query: &str,
        source: IpAddr,
        now: UnixSeconds,
    ) -> Result<Caller<'_>, Error> {
        let query = Query::parse(query)?;
        if self.strict {
            query.check_strictly()?;
        }
        let said = Credentials {
            sdkappid: query.sdkappid.as_deref(),
            identifier: query.identifier.as_deref(),
            usersig: query.usersig.as_deref(),
            look_alikes: &query.look_alikes,
            source,
            service,
        };
        Ok(self.gate.admit(said, now)?)
    }
}
