//! The configuration keys of a webhook of an app.

use std::path::PathBuf;

use super::key::{Key, Kind, assign, each};
use crate::{
    address::Address,
    webhooks::{KINDS, Secret, Token, is_name},
};

/// The settings of a webhook while the configuration is read.
#[derive(Debug, Default)]
pub struct WebhookDraft {
    pub(super) name: Option<String>,
    pub(super) url: Option<Address>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) secret: Place<Secret>,
    pub(super) previous_secret: Place<Secret>,
    pub(super) token: Place<Token>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_private: bool,
}

/// The settings that give a secret. At most one of them may be set.
#[derive(Debug)]
pub(super) struct Place<T> {
    /// The secret itself.
    pub(super) inline: Option<T>,
    /// The path of a file that holds the secret.
    pub(super) file: Option<PathBuf>,
}

impl<T> Default for Place<T> {
    fn default() -> Place<T> {
        Place { inline: None, file: None }
    }
}

const KIND_NAMES: &str =
    "kinds: \"changed\", \"account_deleted\", \"erased\", \"chat_group_disbanded\", \"request_over_limit\"";

/// Returns the configuration keys of a webhook.
#[must_use]
pub fn webhook_keys() -> &'static [Key<WebhookDraft>] {
    WEBHOOK
}

static WEBHOOK: &[Key<WebhookDraft>] = &[
    Key {
        name: "name",
        kind: Kind::Text(|draft, value| {
            if is_name(&value) {
                return assign(&mut draft.name, Some(value));
            }
            Err("must have 1 to 32 letters, digits, - and _".to_owned())
        }),
        default: "",
        about: "The name of the webhook, which is unique within the app. Required. A webhook with another name is another one, which begins with the next event.",
    },
    Key {
        name: "url",
        kind: Kind::Callback(|draft, value| assign(&mut draft.url, Some(value))),
        default: "",
        about: "Where messages are sent. Required. Path and query may contain secrets and are not shown.",
    },
    Key {
        name: "kinds",
        kind: Kind::List(KIND_NAMES, |draft, value| {
            let kind = |name: &str| KINDS.iter().find(|kind| **kind == name).copied();
            assign(&mut draft.kinds, each(&value, KIND_NAMES, kind)?)
        }),
        default: "changed,account_deleted,erased,chat_group_disbanded,request_over_limit",
        about: "Which messages are sent.",
    },
    Key {
        name: "secret",
        kind: Kind::Secret(|draft, value| assign(&mut draft.secret.inline, Some(Secret::parse(&value)?))),
        default: "",
        about: "The secret that signs messages as Standard Webhooks specifies: `whsec_` followed by base64, for example of 32 random bytes. With this setting, other users must not be able to read the configuration file.",
    },
    Key {
        name: "secret_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.secret.file, Some(value))),
        default: "",
        about: "A file that contains the secret; other users must not be able to read it.",
    },
    Key {
        name: "previous_secret",
        kind: Kind::Secret(|draft, value| {
            assign(&mut draft.previous_secret.inline, Some(Secret::parse(&value)?))
        }),
        default: "",
        about: "A second secret. While both are set, each message has two signatures, so that the receiver can change to the new secret at any time.",
    },
    Key {
        name: "previous_secret_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.previous_secret.file, Some(value))),
        default: "",
        about: "A file that contains the second secret; other users must not be able to read it.",
    },
    Key {
        name: "token",
        kind: Kind::Secret(|draft, value| assign(&mut draft.token.inline, Some(Token::parse(&value)?))),
        default: "",
        about: "The token that signs messages as Tencent Chat does, by the query parameters `Sign` and `RequestTime`.",
    },
    Key {
        name: "token_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.token.file, Some(value))),
        default: "",
        about: "A file that contains the token; other users must not be able to read it.",
    },
    Key {
        name: "ca_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.ca_file, Some(value))),
        default: "",
        about: "A PEM file with the authorities that may issue the receiver's certificate, instead of those that browsers trust. It is read again on SIGHUP.",
    },
    Key {
        name: "allow_private",
        kind: Kind::Switch(|draft, value| assign(&mut draft.allow_private, value)),
        default: "false",
        about: "Whether the receiver may have a private address, such as 127.0.0.1 or 10.0.0.1.",
    },
];
