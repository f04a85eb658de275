//! The configuration keys of an app.

use std::{path::PathBuf, sync::Arc};

use super::key::{Key, Kind, assign};
use crate::{
    api::Family,
    auth::{App, Edition, Identifier, Network, SecretKey},
    call::INTERCHANGE,
    domain::{AppId, DirectoryMode, Limits, UnixSeconds},
};

/// The settings of an app while the configuration is read.
#[derive(Debug)]
pub struct AppDraft {
    pub(super) id: Option<AppId>,
    pub(super) key: KeySource,
    pub(super) previous: KeySource,
    pub(super) previous_until: Option<UnixSeconds>,
    pub(super) app: App,
}

/// The settings that give a key of an app. At most one of them may be set.
#[derive(Debug, Default)]
pub(super) struct KeySource {
    /// The key itself.
    pub(super) inline: Option<SecretKey>,
    /// The path of a file that holds the key.
    pub(super) file: Option<PathBuf>,
    /// The name of an environment variable that holds the key.
    pub(super) variable: Option<String>,
}

impl KeySource {
    /// How many of the settings are set.
    pub(super) fn count(&self) -> usize {
        [self.inline.is_some(), self.file.is_some(), self.variable.is_some()]
            .iter()
            .filter(|one| **one)
            .count()
    }
}

impl AppDraft {
    /// Creates a draft without values; [`Reading::defaults`](super::read::Reading::defaults) stores the defaults.
    pub(super) fn new() -> AppDraft {
        let id = AppId::new(1).expect("1 is a valid id");
        AppDraft {
            id: None,
            key: KeySource::default(),
            previous: KeySource::default(),
            previous_until: None,
            app: App::without_key(id),
        }
    }
}

const MOST: u64 = u64::MAX;
const NETWORKS: &str = "addresses or networks, such as \"10.0.0.0/8\" or \"2001:db8::/32\"";
const SERVICES: &str =
    "services: \"recentcontact\", \"im_open_login_svc\", \"group_open_http_svc\", \"interchange\"";
const IDENTIFIERS: &str = "identifiers of 1 to 256 bytes without control characters";

/// The configuration keys of an app.
#[must_use]
pub fn app_keys() -> &'static [Key<AppDraft>] {
    APP
}

static APP: &[Key<AppDraft>] = &[
    Key {
        name: "id",
        kind: Kind::Number(1, u32::MAX as u64),
        default: "",
        about: "The SDKAppID of the app. Required.",
        set: |draft, value| assign(&mut draft.id, u32::try_from(value.number()).ok().and_then(AppId::new)),
    },
    Key {
        name: "key",
        kind: Kind::Secret,
        default: "",
        about: "The key that signs for the app. Other users must then not be able to read the configuration file.",
        set: |draft, value| assign(&mut draft.key.inline, Some(secret(&value.text())?)),
    },
    Key {
        name: "key_file",
        kind: Kind::Path,
        default: "",
        about: "A file that contains the key; other users must not be able to read it.",
        set: |draft, value| assign(&mut draft.key.file, Some(value.path())),
    },
    Key {
        name: "key_env",
        kind: Kind::Text,
        default: "",
        about: "The name of an environment variable that holds the key.",
        set: |draft, value| assign(&mut draft.key.variable, Some(value.text())),
    },
    Key {
        name: "previous_key",
        kind: Kind::Secret,
        default: "",
        about: "The key that was replaced by the current one. Signatures made with it are accepted until `previous_key_until`, so that programs can switch to the new key one by one; see \"Rotating a key\" in operations.md.",
        set: |draft, value| assign(&mut draft.previous.inline, Some(secret(&value.text())?)),
    },
    Key {
        name: "previous_key_file",
        kind: Kind::Path,
        default: "",
        about: "A file that contains the previous key; other users must not be able to read it.",
        set: |draft, value| assign(&mut draft.previous.file, Some(value.path())),
    },
    Key {
        name: "previous_key_env",
        kind: Kind::Text,
        default: "",
        about: "The name of an environment variable that holds the previous key.",
        set: |draft, value| assign(&mut draft.previous.variable, Some(value.text())),
    },
    Key {
        name: "previous_key_until",
        kind: Kind::Instant,
        default: "",
        about: "The time until which the previous key is accepted, at most 366 days from now. Required with a previous key.",
        set: |draft, value| assign(&mut draft.previous_until, Some(value.number())),
    },
    Key {
        name: "admins",
        kind: Kind::List(IDENTIFIERS),
        default: "administrator",
        about: "The administrators, who may call for the app (60010 for all others). Each of them counts as an imported user.",
        set: |draft, value| assign(&mut draft.app.admins, Arc::new(value.items(IDENTIFIERS, identifier)?)),
    },
    Key {
        name: "directory",
        kind: Kind::Choice(&["strict", "open"]),
        default: "strict",
        about: "`strict`: accounts and chat groups must have been imported or created (otherwise 50001, 51007); `open`: every well-formed id counts as existing.",
        set: |draft, value| {
            let open = value.text() == "open";
            assign(&mut draft.app.directory, if open { DirectoryMode::Open } else { DirectoryMode::Strict })
        },
    },
    Key {
        name: "edition",
        kind: Kind::Choice(&["ultimate", "basic"]),
        default: "ultimate",
        about: "`ultimate`: everything may be written; `basic`: conversation groups and standard marks may not (51013).",
        set: |draft, value| {
            let basic = value.text() == "basic";
            assign(&mut draft.app.edition, if basic { Edition::Basic } else { Edition::Ultimate })
        },
    },
    Key {
        name: "profile",
        kind: Kind::Choice(&["tencent", "open"]),
        default: "tencent",
        about: "The limits for one user. `tencent`: 20 groups and 1,000 conversations; `open`: 100 groups and 10,000 conversations (51010, 51008 beyond that).",
        set: |draft, value| {
            let open = value.text() == "open";
            assign(&mut draft.app.limits, if open { Limits::OPEN } else { Limits::TENCENT })
        },
    },
    Key {
        name: "page_size",
        kind: Kind::Number(1, 10_000),
        default: "100",
        about: "The maximum number of conversations in one reply of get_contact_group.",
        set: |draft, value| assign(&mut draft.app.page_size, value.size()),
    },
    Key {
        name: "disabled",
        kind: Kind::Switch,
        default: "false",
        about: "Whether every call of the app is refused (60016).",
        set: |draft, value| assign(&mut draft.app.disabled, value.switch()),
    },
    Key {
        name: "closed_services",
        kind: Kind::List(SERVICES),
        default: "",
        about: "Services that are refused (60017).",
        set: |draft, value| assign(&mut draft.app.closed_services, value.items(SERVICES, service)?),
    },
    Key {
        name: "plan_until",
        kind: Kind::Instant,
        default: "",
        about: "The end of the app's plan; later calls are refused (60020).",
        set: |draft, value| assign(&mut draft.app.plan_until, Some(value.number())),
    },
    Key {
        name: "allowed_sources",
        kind: Kind::List(NETWORKS),
        default: "",
        about: "Source addresses that may call for the app (60021 for all others). Without it every address may.",
        set: |draft, value| {
            assign(&mut draft.app.allowed_sources, Some(value.items(NETWORKS, Network::parse)?))
        },
    },
    Key {
        name: "denied",
        kind: Kind::List(IDENTIFIERS),
        default: "",
        about: "Identifiers that are refused even if their signature is valid (70051).",
        set: |draft, value| assign(&mut draft.app.denied, value.items(IDENTIFIERS, identifier)?),
    },
    Key {
        name: "rate",
        kind: Kind::Rates,
        default: "",
        about: "How many calls per second are allowed of each command (60007 beyond that), overriding `limits.rate`. `limits.rate` still applies to commands that are neither named nor covered by `others`.",
        set: |draft, value| assign(&mut draft.app.rates, value.rates()),
    },
    Key {
        name: "calls_per_second",
        kind: Kind::Number(1, u32::MAX as u64),
        default: "",
        about: "How many calls per second are allowed over all commands together (60011 beyond that). Without it there is no such limit.",
        set: |draft, value| assign(&mut draft.app.calls_per_second, u32::try_from(value.number()).ok()),
    },
    Key {
        name: "failed_signatures",
        kind: Kind::Number(0, MOST),
        default: "60",
        about: "How many invalid signatures are allowed per minute for one identifier from one address (70050 beyond that); 0 turns the limit off.",
        set: |draft, value| {
            let most = u32::try_from(value.number()).unwrap_or(u32::MAX);
            assign(&mut draft.app.failed_signatures, (most > 0).then_some(most))
        },
    },
];

fn secret(text: &str) -> Result<SecretKey, String> {
    SecretKey::new(text).map_err(|reason| reason.to_string())
}

fn identifier(text: &str) -> Option<String> {
    Identifier::parse(text).ok().map(|identifier| identifier.to_string())
}

fn service(name: &str) -> Option<String> {
    (Family::find(name).is_some() || name == INTERCHANGE).then(|| name.to_owned())
}
