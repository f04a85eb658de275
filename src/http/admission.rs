//! From the head of a request to an admitted call: path, query, caller, rate – in this order, so
//! that whoever is not let in learns nothing about bodies or users.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use hyper::Uri;

use super::{Access, query::Query};
use crate::{
    api::{Absent, Command, Error, Family},
    auth::{App, Credentials},
    domain::{AppId, UnixSeconds},
    excerpt::{self, quoted},
};

/// Which command a path calls.
pub(super) fn route(path: &str) -> Result<Command, Error> {
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

/// A path up to where a query may begin that was badly set off, because a signature is never shown; an excerpt
/// when it is long.
pub(super) fn shown(path: &str) -> String {
    let path = path.split(['&', '?', '=', ';']).next().unwrap_or_default();
    excerpt::plain(path).to_string()
}

/// Who a request says has signed it, whether or not that is true: for the log.
pub(super) fn claimed(uri: &Uri) -> Option<String> {
    Query::parse(uri.query()?).ok()?.identifier.map(Cow::into_owned)
}

/// The app that a request names, whether or not it may: for the metrics.
pub(super) fn claimed_app(uri: &Uri) -> Option<AppId> {
    Query::parse(uri.query()?).ok()?.sdkappid?.parse().ok().and_then(AppId::new)
}

impl Access {
    /// Lets a call of `command` from `source` in that came at `now`, and at `elapsed` of the monotonic
    /// clock, and counts it.
    pub(super) fn admit(
        &self,
        command: Command,
        uri: &Uri,
        source: IpAddr,
        now: UnixSeconds,
        elapsed: Duration,
    ) -> Result<&App, Error> {
        let app = self.identify(command.family().name(), uri, source, now)?;
        self.rates.take(app, command, elapsed)?;
        Ok(app)
    }

    /// Lets an administrator in who calls a service.
    pub(super) fn identify(
        &self,
        service: &str,
        uri: &Uri,
        source: IpAddr,
        now: UnixSeconds,
    ) -> Result<&App, Error> {
        let query = Query::parse(uri.query().unwrap_or(""))?;
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
