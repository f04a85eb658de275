//! The reasons why a caller is refused.

use std::net::IpAddr;

use super::usersig::{self, Flaw};
use crate::{domain::AppId, excerpt::quoted};

/// Why a caller is refused, in the order of the checks. No message shows a signature or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `sdkappid` is missing or empty.
    #[error("the query parameter sdkappid is missing or empty{}", hint("sdkappid", look_alikes))]
    NoAppId {
        /// Parameters that look like those that are missing.
        look_alikes: Vec<LookAlike>,
    },
    /// `sdkappid` is not a valid app id.
    #[error("the query parameter sdkappid must be a decimal number from 1 to 4294967295, found {}", quoted(.0))]
    MalformedAppId(String),
    /// The server does not have this app.
    #[error(
        "this server has no app {0}; add it with --app {0}:KEY (confold serve: with an [[app]] table in the configuration)"
    )]
    UnknownApp(AppId),
    /// `identifier` or `usersig` is missing.
    #[error("the query parameter {name} is missing{}", hint(name, look_alikes))]
    NoIdentity {
        /// The name of the missing parameter.
        name: &'static str,
        /// Parameters that look like those that are missing.
        look_alikes: Vec<LookAlike>,
    },
    /// The UserSig is not valid.
    #[error("{}", usersig::in_reply(flaw, *app, identifier))]
    Signature {
        /// What is wrong with the UserSig.
        flaw: Flaw,
        /// The app of the request.
        app: AppId,
        /// The identifier of the request.
        identifier: String,
    },
    /// The app has no key, so no signature can be verified.
    #[error(
        "app {0} has no key on this server, so its UserSigs cannot be verified; give it one with --app {0}:KEY (confold serve: with the app's setting key_file)"
    )]
    NoKey(AppId),
    /// Too many signatures from this caller were refused.
    #[error(
        "too many UserSigs of {} were refused within a minute; correct the key or identifier, then try again in a minute",
        quoted(.0)
    )]
    TooManyFailures(String),
    /// The identifier is on the app's deny list.
    #[error("the identifier {} is on the deny list of the app", quoted(.0))]
    Denied(String),
    /// The app is disabled.
    #[error("app {0} is disabled on this server")]
    Disabled(AppId),
    /// The service is disabled for the app.
    #[error("the service {service} is switched off for app {app} on this server")]
    Closed {
        /// The app.
        app: AppId,
        /// The service.
        service: String,
    },
    /// The app's plan has expired.
    #[error("the plan of app {0} has expired (its setting plan_until is in the past)")]
    PlanExpired(AppId),
    /// Calls from this source address are not allowed.
    #[error("calls for app {app} are not allowed from the address {source_address}")]
    Source {
        /// The app.
        app: AppId,
        /// The address.
        source_address: IpAddr,
    },
    /// The signature is valid, but the caller is not an administrator.
    #[error(
        "the identifier {} is not an administrator of app {app}; REST calls have to be signed by one",
        quoted(identifier)
    )]
    NotAdmin {
        /// The app of the request.
        app: AppId,
        /// The identifier of the request.
        identifier: String,
    },
}

/// An unknown parameter that is probably a misspelling of a missing one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookAlike {
    /// The name of the unknown parameter.
    pub found: String,
    /// The name of the missing parameter.
    pub meant: &'static str,
}

/// Formats a hint that lists all look-alikes, those of the `name` parameter first. The others help too, because a
/// caller who misspells one name often misspells all in the same way.
fn hint(name: &str, look_alikes: &[LookAlike]) -> String {
    let (mut own, others): (Vec<_>, Vec<_>) = look_alikes.iter().partition(|one| one.meant == name);
    own.extend(others);
    if own.is_empty() {
        return String::new();
    }
    let named = own.iter().map(|one| format!("{} (has to be {})", quoted(&one.found), one.meant));
    let escaped = own.iter().any(|one| one.found.to_ascii_lowercase().starts_with("amp;"));
    let cure = if escaped { "; the address was escaped for HTML; write & instead of &amp;" } else { "" };
    format!("; found {}{cure}", named.collect::<Vec<_>>().join(", "))
}
