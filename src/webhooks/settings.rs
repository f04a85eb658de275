//! The settings of a webhook.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{address::Address, domain::AppId, store::DestinationId, tls::Authorities};

/// How every secret begins.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have, by Standard Webhooks.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How many characters a token may have, by Tencent Chat.
const TOKEN_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=128;
/// How many characters a name may have.
const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 1..=32;

/// The kinds of messages, except those of `confold webhooks test`, which are always sent.
pub const KINDS: &[&str] =
    &["changed", "account_deleted", "erased", "chat_group_disbanded", REQUEST_OVER_LIMIT];
/// The kind of messages about an app that comes close to a limit of calls per second.
pub(super) const REQUEST_OVER_LIMIT: &str = "request_over_limit";

/// A receiver of what happens in an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The app, and the name within it.
    pub id: DestinationId,
    /// Where to send messages.
    pub url: Address,
    /// The wanted kinds of messages, of [`KINDS`].
    pub kinds: Vec<&'static str>,
    /// The secrets that sign messages, by Standard Webhooks. Each makes a signature, so that they can be replaced.
    pub secrets: Vec<Secret>,
    /// The token that signs messages as Tencent Chat does.
    pub token: Option<Token>,
    /// The authorities that may issue the receiver's certificate, instead of those that browsers trust.
    pub authorities: Option<Authorities>,
    /// Whether the receiver may have a private address.
    pub allow_private: bool,
}

impl Webhook {
    /// Creates a webhook that gets everything, without secrets.
    #[must_use]
    pub fn new(app: AppId, name: &str, url: Address) -> Webhook {
        Webhook {
            id: DestinationId { app, name: Arc::from(name) },
            url,
            kinds: KINDS.to_vec(),
            secrets: Vec::new(),
            token: None,
            authorities: None,
            allow_private: false,
        }
    }
}

/// A secret that signs messages. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Parses a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
    ///
    /// # Errors
    /// Returns what a secret has to look like. The message does not show the text.
    pub fn parse(text: &str) -> Result<Secret, String> {
        let bytes = text.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        match bytes {
            Some(bytes) if SECRET_BYTES.contains(&bytes.len()) => Ok(Secret(bytes.into())),
            _ => Err(format!(
                "must be {PREFIX} followed by {} to {} bytes in base64; make one with: echo {PREFIX}$(openssl rand \
                 -base64 32)",
                SECRET_BYTES.start(),
                SECRET_BYTES.end()
            )),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A token that signs messages as Tencent Chat does. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Parses a token.
    ///
    /// # Errors
    /// Returns what a token has to look like. The message does not show the text.
    pub fn parse(text: &str) -> Result<Token, String> {
        let is_token = TOKEN_CHARACTERS.contains(&text.chars().count()) && !text.contains(char::is_control);
        is_token.then(|| Token(text.into())).ok_or_else(|| {
            let (least, most) = (TOKEN_CHARACTERS.start(), TOKEN_CHARACTERS.end());
            format!("must have {least} to {most} characters and no control characters")
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Checks whether a text can be the name of a webhook, which is used in commands, metrics and the log.
#[must_use]
pub fn is_name(text: &str) -> bool {
    NAME_CHARACTERS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
