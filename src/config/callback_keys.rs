//! The configuration keys of the webhooks that an app receives.

use super::{
    key::{Key, Kind, assign, count},
    webhook_keys::Place,
};
use crate::{
    address::Address,
    auth::{SigningToken, Token},
};

/// The settings of a callback while the configuration is read.
#[derive(Debug, Default)]
pub struct CallbackDraft {
    pub(super) secret: Place<Token>,
    pub(super) token: Place<SigningToken>,
    pub(super) membership: bool,
    pub(super) forward: Option<Address>,
    pub(super) body_bytes: usize,
    pub(super) calls_per_second: Option<u32>,
}

/// The minimum number of characters of the secret, and the most that a webhook's address has room for.
const SECRET_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=256;
/// How many characters a token may have, by Tencent Chat.
const TOKEN_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=128;

/// Returns the configuration keys of the webhooks that an app receives.
#[must_use]
pub fn callback_keys() -> &'static [Key<CallbackDraft>] {
    CALLBACK
}

static CALLBACK: &[Key<CallbackDraft>] = &[
    Key {
        name: "secret",
        kind: Kind::Secret(|draft, value| assign(&mut draft.secret.inline, Some(read_secret_word(&value)?))),
        default: "",
        about: "The secret in the address of the webhook, `/callback/<app>/<secret>`: 16 to 256 letters, digits, and the characters - . _ ~. With this setting, other users must not be able to read the configuration file.",
    },
    Key {
        name: "secret_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.secret.file, Some(value))),
        default: "",
        about: "A file that contains the secret; other users must not be able to read it.",
    },
    Key {
        name: "token",
        kind: Kind::Secret(|draft, value| assign(&mut draft.token.inline, Some(read_token(&value)?))),
        default: "",
        about: "The token of the webhook's authentication. With it, every webhook must have a valid `Sign` whose `RequestTime` is at most 60 seconds away.",
    },
    Key {
        name: "token_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.token.file, Some(value))),
        default: "",
        about: "A file that contains the token; other users must not be able to read it.",
    },
    Key {
        name: "membership",
        kind: Kind::Switch(|draft, value| assign(&mut draft.membership, value)),
        default: "false",
        about: "Whether webhooks create and disband chat groups and change their members. Without it, only messages have an effect.",
    },
    Key {
        name: "forward",
        kind: Kind::Callback(|draft, value| assign(&mut draft.forward, Some(value))),
        default: "",
        about: "Where each webhook is sent as well. What this server answers within 1.8 seconds becomes the answer; otherwise the answer is OK. Path and query may contain secrets and are not shown.",
    },
    Key {
        name: "body",
        kind: Kind::Size(|draft, value| assign(&mut draft.body_bytes, count(value))),
        default: "1MiB",
        about: "The largest body of a webhook.",
    },
    Key {
        name: "calls_per_second",
        kind: Kind::Number(0, u32::MAX as u64, |draft, value| {
            let most = u32::try_from(value).unwrap_or(u32::MAX);
            assign(&mut draft.calls_per_second, (most > 0).then_some(most))
        }),
        default: "5000",
        about: "How many webhooks per second are accepted (status 503 beyond that); 0 turns the limit off. The limits of commands do not apply to webhooks.",
    },
];

/// Reads the secret in the path.
pub(super) fn read_secret_word(text: &str) -> Result<Token, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let (least, most) = (SECRET_CHARACTERS.start(), SECRET_CHARACTERS.end());
    match SECRET_CHARACTERS.contains(&text.len()) && text.bytes().all(fits) {
        true => Ok(Token::new(text)),
        false => Err(format!(
            "must have {least} to {most} characters, each a letter, a digit, or one of - . _ ~, because it stands in an \
             address; make one, for example with: openssl rand -hex 32"
        )),
    }
}

/// Reads the token that signs webhooks.
pub(super) fn read_token(text: &str) -> Result<SigningToken, String> {
    let (least, most) = (TOKEN_CHARACTERS.start(), TOKEN_CHARACTERS.end());
    match TOKEN_CHARACTERS.contains(&text.chars().count()) && !text.contains(char::is_control) {
        true => Ok(SigningToken::new(text)),
        false => Err(format!("must have {least} to {most} characters and no control characters")),
    }
}
