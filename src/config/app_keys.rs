//! The configuration keys of an app.

use std::sync::Arc;

use super::{
    app_secrets::{KeySource, TokenSource},
    key::{Key, Kind, assign, count, each},
};
use crate::{
    api::Family,
    auth::{App, Edition, Extensions, Identifier, MessageMode, Network, SecretKey},
    call::{FEED, INTERCHANGE},
    domain::{AppId, DirectoryMode, Limits, MembershipMode, UnixSeconds},
    secret_word,
};

/// The settings of an app while the configuration is read.
#[derive(Debug)]
pub struct AppDraft {
    pub(super) id: Option<AppId>,
    pub(super) key: KeySource,
    pub(super) previous: KeySource,
    pub(super) previous_until: Option<UnixSeconds>,
    pub(super) feed_token: TokenSource,
    /// The setting; without it, the profile decides.
    pub(super) membership: Option<MembershipMode>,
    pub(super) app: App,
}

impl AppDraft {
    /// Creates a draft without values; [`Reading::defaults`](super::reading::Reading::defaults) stores the defaults.
    pub(super) fn new() -> AppDraft {
        let id = AppId::new(1).expect("1 is a valid id");
        AppDraft {
            id: None,
            key: KeySource::default(),
            previous: KeySource::default(),
            previous_until: None,
            feed_token: TokenSource::default(),
            membership: None,
            app: App::without_key(id),
        }
    }
}

const MOST: u64 = u64::MAX;
const NETWORKS: &str = "addresses or networks, such as \"10.0.0.0/8\" or \"2001:db8::/32\"";
const SERVICES: &str = "services: \"recentcontact\", \"im_open_login_svc\", \"group_open_http_svc\", \"profile\", \"openim\", \"confold\", \"interchange\", \"feed\"";
const EXTENSIONS: &str = "extensions: \"recent\"";
const IDENTIFIERS: &str = "identifiers of 1 to 256 bytes without control characters";

/// Returns the configuration keys of an app.
#[must_use]
pub fn app_keys() -> &'static [Key<AppDraft>] {
    APP
}

static APP: &[Key<AppDraft>] = &[
    Key {
        name: "id",
        kind: Kind::Number(1, u32::MAX as u64, |draft, value| {
            assign(&mut draft.id, u32::try_from(value).ok().and_then(AppId::new))
        }),
        default: "",
        about: "The SDKAppID of the app. Required.",
    },
    Key {
        name: "key",
        kind: Kind::Secret(|draft, value| assign(&mut draft.key.inline, Some(secret(&value)?))),
        default: "",
        about: "The key that signs for the app. With this setting, other users must not be able to read the configuration file.",
    },
    Key {
        name: "key_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.key.file, Some(value))),
        default: "",
        about: "A file that contains the key; other users must not be able to read it.",
    },
    Key {
        name: "key_env",
        kind: Kind::Text(|draft, value| assign(&mut draft.key.variable, Some(value))),
        default: "",
        about: "The name of an environment variable that holds the key.",
    },
    Key {
        name: "previous_key",
        kind: Kind::Secret(|draft, value| assign(&mut draft.previous.inline, Some(secret(&value)?))),
        default: "",
        about: "The key that was replaced by the current one. Signatures made with it are accepted until `previous_key_until`, so that programs can switch to the new key one by one; see \"Rotating a key\" in operations.md.",
    },
    Key {
        name: "previous_key_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.previous.file, Some(value))),
        default: "",
        about: "A file that contains the previous key; other users must not be able to read it.",
    },
    Key {
        name: "previous_key_env",
        kind: Kind::Text(|draft, value| assign(&mut draft.previous.variable, Some(value))),
        default: "",
        about: "The name of an environment variable that holds the previous key.",
    },
    Key {
        name: "previous_key_until",
        kind: Kind::Instant(|draft, value| assign(&mut draft.previous_until, Some(value))),
        default: "",
        about: "The time until which the previous key is accepted, at most 366 days from now. Required with a previous key.",
    },
    Key {
        name: "feed_token",
        kind: Kind::Secret(|draft, value| {
            secret_word::check(&value).map_err(|reason| reason.to_string())?;
            assign(&mut draft.feed_token.inline, Some(value))
        }),
        default: "",
        about: "A token of at least 32 characters with which programs may read the app's feed without a signature (`Authorization: Bearer`, see feed.md). With this setting, other users must not be able to read the configuration file.",
    },
    Key {
        name: "feed_token_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.feed_token.file, Some(value))),
        default: "",
        about: "A file that contains the token of the feed; other users must not be able to read it.",
    },
    Key {
        name: "admins",
        kind: Kind::List(IDENTIFIERS, |draft, value| {
            assign(&mut draft.app.admins, Arc::new(each(&value, IDENTIFIERS, identifier)?))
        }),
        default: "administrator",
        about: "The administrators, who may call for the app (60010 for all others). Each of them counts as an imported user.",
    },
    Key {
        name: "directory",
        kind: Kind::Choice(&["strict", "open"], |draft, value| {
            let open = value == "open";
            assign(&mut draft.app.directory, if open { DirectoryMode::Open } else { DirectoryMode::Strict })
        }),
        default: "strict",
        about: "`strict`: accounts and chat groups must have been imported or created (otherwise 50001, 51007); `open`: every well-formed id counts as existing.",
    },
    Key {
        name: "edition",
        kind: Kind::Choice(&["ultimate", "basic"], |draft, value| {
            let basic = value == "basic";
            assign(&mut draft.app.edition, if basic { Edition::Basic } else { Edition::Ultimate })
        }),
        default: "ultimate",
        about: "`ultimate`: everything may be written; `basic`: conversation groups and standard marks may not (51013).",
    },
    Key {
        name: "messages",
        kind: Kind::Choice(&["refuse", "accept"], |draft, value| {
            let accept = value == "accept";
            assign(&mut draft.app.messages, if accept { MessageMode::Accept } else { MessageMode::Refuse })
        }),
        default: "refuse",
        about: "`refuse`: sendmsg, batchsendmsg, importmsg, send_group_msg, import_group_msg and send_group_system_notification are refused; `accept`: they are checked, answered and dropped, and move the recent list. Messages are never kept.",
    },
    Key {
        name: "messages_touch_admins",
        kind: Kind::Switch(|draft, value| assign(&mut draft.app.touch_admins, value)),
        default: "false",
        about: "Whether messages also move the recent lists of administrators. An administrator who sends messages to everybody would get a very long list.",
    },
    Key {
        name: "profile",
        kind: Kind::Choice(&["tencent", "tencent-2026", "open"], |draft, value| {
            let require = value == "tencent-2026";
            draft.app.membership = if require { MembershipMode::Require } else { MembershipMode::Ignore };
            let open = value == "open";
            assign(&mut draft.app.limits, if open { Limits::OPEN } else { Limits::TENCENT })
        }),
        default: "tencent",
        about: "The limits for one user. `tencent`: 20 groups and 1,000 conversations; `tencent-2026`: the same, and `membership` is `require`; `open`: 100 groups and 10,000 conversations (51010, 51008 beyond that).",
    },
    Key {
        name: "membership",
        kind: Kind::Choice(&["ignore", "require"], |draft, value| {
            let require = value == "require";
            let mode = if require { MembershipMode::Require } else { MembershipMode::Ignore };
            assign(&mut draft.membership, Some(mode))
        }),
        default: "",
        about: "`ignore`: a user may organize every chat group that exists; `require`: only those that the user is in (otherwise 51007 for the conversation). Clearing and removing always work, and imports and chat groups without a list of members are exempt. Without this setting, the profile decides: `require` in `tencent-2026`, `ignore` in the others.",
    },
    Key {
        name: "page_size",
        kind: Kind::Number(1, 10_000, |draft, value| assign(&mut draft.app.page_size, count(value))),
        default: "100",
        about: "The maximum number of conversations in one reply of get_contact_group.",
    },
    Key {
        name: "extensions",
        kind: Kind::List(EXTENSIONS, |draft, value| {
            let none = Extensions::default();
            each(&value, EXTENSIONS, |name| none.with(name))?;
            let all = value.iter().try_fold(none, |all, name| all.with(name));
            assign(&mut draft.app.extensions, all.unwrap_or_default())
        }),
        default: "",
        about: "Extensions that are switched on. `recent`: the commands top and batch_delete of the service recentcontact, which pin conversations and delete several at once, see recent.md (60009 without it).",
    },
    Key {
        name: "disabled",
        kind: Kind::Switch(|draft, value| assign(&mut draft.app.disabled, value)),
        default: "false",
        about: "Whether every call of the app is refused (60016).",
    },
    Key {
        name: "closed_services",
        kind: Kind::List(SERVICES, |draft, value| {
            assign(&mut draft.app.closed_services, each(&value, SERVICES, service)?)
        }),
        default: "",
        about: "Services that are refused (60017).",
    },
    Key {
        name: "plan_until",
        kind: Kind::Instant(|draft, value| assign(&mut draft.app.plan_until, Some(value))),
        default: "",
        about: "The end of the app's plan; later calls are refused (60020).",
    },
    Key {
        name: "allowed_sources",
        kind: Kind::List(NETWORKS, |draft, value| {
            assign(&mut draft.app.allowed_sources, Some(each(&value, NETWORKS, Network::parse)?))
        }),
        default: "",
        about: "Source addresses that may call for the app (60021 for all others). Without it every address may.",
    },
    Key {
        name: "denied",
        kind: Kind::List(IDENTIFIERS, |draft, value| {
            assign(&mut draft.app.denied, each(&value, IDENTIFIERS, identifier)?)
        }),
        default: "",
        about: "Identifiers that are refused even if their signature is valid (70051).",
    },
    Key {
        name: "rate",
        kind: Kind::Rates(|draft, value| assign(&mut draft.app.rates, value)),
        default: "",
        about: "How many calls per second are allowed of each command (60007 beyond that), overriding `limits.rate`. `limits.rate` still applies to commands that are neither named nor covered by `others`.",
    },
    Key {
        name: "calls_per_second",
        kind: Kind::Number(1, u32::MAX as u64, |draft, value| {
            assign(&mut draft.app.calls_per_second, u32::try_from(value).ok())
        }),
        default: "",
        about: "How many calls per second are allowed across all commands (60011 beyond that). Without it there is no such limit.",
    },
    Key {
        name: "failed_signatures",
        kind: Kind::Number(0, MOST, |draft, value| {
            let most = u32::try_from(value).unwrap_or(u32::MAX);
            assign(&mut draft.app.failed_signatures, (most > 0).then_some(most))
        }),
        default: "60",
        about: "How many invalid signatures are allowed per minute for one identifier from one address (70050 beyond that); 0 turns the limit off.",
    },
];

fn secret(text: &str) -> Result<SecretKey, String> {
    SecretKey::new(text).map_err(|reason| reason.to_string())
}

fn identifier(text: &str) -> Option<String> {
    Identifier::parse(text).ok().map(|identifier| identifier.to_string())
}

fn service(name: &str) -> Option<String> {
    (Family::find(name).is_some() || [INTERCHANGE, FEED].contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_about_services_lists_all_of_them() {
        for family in Family::ALL {
            assert!(SERVICES.contains(&format!("{:?}", family.name())), "{}", family.name());
        }
        for service in [INTERCHANGE, FEED] {
            assert!(SERVICES.contains(&format!("{service:?}")), "{service}");
        }
    }
}
