//! The keys of an app and the token of its feed: where the configuration says they are, and reading them from there.

use std::{fmt, path::PathBuf};

use super::{
    Sources,
    app_keys::AppDraft,
    reading::{Reading, chain},
    time,
};
use crate::{
    auth::{PreviousKey, SecretKey, Token},
    domain::AppId,
    excerpt, log_lines,
    secret_file::{check_private, read_secret},
};

/// The configuration keys that hold an app's key; with `_file` or `_env` they name where it is.
pub(super) const KEY: &str = "key";
pub(super) const PREVIOUS: &str = "previous_key";
/// The configuration key that holds the token of an app's feed; with `_file` it names where it is.
pub(super) const FEED_TOKEN: &str = "feed_token";
/// The minimum number of characters of such a token.
const FEED_TOKEN_CHARACTERS: usize = 32;

const DAY: u64 = 86_400;

/// The longest time for which a previous key can be accepted. Signatures are valid for 180 days by default, some longer.
const MAX_PREVIOUS_KEY_DAYS: u64 = 366;

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

/// The settings that give the token of an app's feed. At most one of them may be set.
#[derive(Default)]
pub(super) struct TokenSource {
    /// The token itself.
    pub(super) inline: Option<String>,
    /// The path of a file that holds the token.
    pub(super) file: Option<PathBuf>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource(…)")
    }
}

impl KeySource {
    /// Returns how many of the settings are set.
    pub(super) fn count(&self) -> usize {
        [self.inline.is_some(), self.file.is_some(), self.variable.is_some()]
            .iter()
            .filter(|one| **one)
            .count()
    }
}

impl Reading<'_> {
    /// Reads the previous key of an app and the time until which it is accepted.
    pub(super) fn previous_key(
        &mut self,
        at: usize,
        id: AppId,
        draft: &AppDraft,
        key: Option<&SecretKey>,
        sources: &Sources,
    ) -> Option<PreviousKey> {
        let until = match (draft.previous.count(), draft.previous_until) {
            (0, None) => return None,
            (0, Some(_)) => {
                let said = "has previous_key_until, but no previous key; set previous_key_file, or remove it";
                self.problem(at, format!("app {id} {said}"));
                return None;
            }
            (_, None) => {
                let example = time::display(sources.now + 30 * DAY);
                let said = format!("set it, for example to {example}");
                self.problem(at, format!("app {id} has a previous key, but no previous_key_until; {said}"));
                return None;
            }
            (_, Some(until)) => until,
        };
        if until > sources.now.saturating_add(MAX_PREVIOUS_KEY_DAYS * DAY) {
            let latest = time::display(sources.now + MAX_PREVIOUS_KEY_DAYS * DAY);
            let said = format!(
                "previous_key_until is more than {MAX_PREVIOUS_KEY_DAYS} days away; choose a time before {latest}"
            );
            self.problem(at, format!("app {id}: {said}"));
            return None;
        }
        if draft.key.count() == 0 {
            self.problem(
                at,
                format!("app {id} has a previous key, but no key; set key_file to the file of the new key"),
            );
            return None;
        }
        let previous = self.key(at, id, PREVIOUS, &draft.previous, sources)?;
        if key == Some(&previous) {
            let said = "has the same value for its key and its previous key; set key to the new one";
            self.problem(at, format!("app {id} {said}"));
            return None;
        }
        if until < sources.now {
            let ended = time::display(until);
            self.warnings.push(log_lines::PREVIOUS_KEY_EXPIRED.found([&id, &ended]));
        }
        Some(PreviousKey { key: previous, until })
    }

    /// Reads the token of an app's feed from its source.
    pub(super) fn feed_token(&mut self, at: usize, id: AppId, source: &TokenSource) -> Option<Token> {
        if source.inline.is_some() && source.file.is_some() {
            self.problem(at, format!("app {id} has both feed_token and feed_token_file; keep one"));
            return None;
        }
        if source.inline.is_some()
            && let Err(error) = check_private(self.file, self.readers)
        {
            self.problem(at, format!("app {id} has its feed_token in this file, but {}", chain(&error)));
        }
        let token = match (&source.inline, &source.file) {
            (Some(token), _) => token.clone(),
            (None, Some(file)) => match read_secret(file, self.readers) {
                Ok(token) => token,
                Err(error) => {
                    self.problem(at, format!("app {id}: feed_token_file: {}", chain(&error)));
                    return None;
                }
            },
            (None, None) => return None,
        };
        if token.len() < FEED_TOKEN_CHARACTERS {
            self.problem(
                at,
                format!(
                    "the feed token of app {id} has fewer than {FEED_TOKEN_CHARACTERS} characters; make a longer one, for \
                     example with: openssl rand -hex 32"
                ),
            );
            return None;
        }
        Some(Token::new(&token))
    }

    /// Reads a key of an app from its source. `name` is its configuration key, `key` or `previous_key`.
    pub(super) fn key(
        &mut self,
        at: usize,
        id: AppId,
        name: &str,
        source: &KeySource,
        sources: &Sources,
    ) -> Option<SecretKey> {
        if source.count() > 1 {
            let said = format!("has more than one of {name}, {name}_file and {name}_env; keep one");
            self.problem(at, format!("app {id} {said}"));
            return None;
        }
        if source.inline.is_some()
            && let Err(error) = check_private(self.file, self.readers)
        {
            self.problem(at, format!("app {id} has its key in this file, but {}", chain(&error)));
        }
        let looks_like_a_key =
            |text: &str| text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let file = source.file.as_ref().and_then(|file| file.file_name()?.to_str());
        if file.into_iter().chain(source.variable.as_deref()).any(looks_like_a_key) {
            self.problem(
                at,
                format!(
                    "app {id} has a key in place of the name of a file or variable; put the key itself under {name}"
                ),
            );
            return None;
        }
        let read = match (&source.inline, &source.file, &source.variable) {
            (Some(key), ..) => Ok(key.clone()),
            (_, Some(file), _) => read_secret(file, self.readers)
                .map_err(|error| format!("{name}_file: {}", chain(&error)))
                .map(|text| SecretKey::new(&text).expect("read_secret has checked the text")),
            (.., Some(variable)) => {
                let shown = excerpt::plain(variable);
                match sources.environment.get(variable) {
                    Some(text) if !text.is_empty() => SecretKey::new(text)
                        .map_err(|reason| format!("{name}_env: the environment variable {shown} {reason}")),
                    _ => Err(format!("{name}_env: the environment variable {shown} is not set or is empty")),
                }
            }
            _ => return None,
        };
        let key = match read {
            Ok(key) => key,
            Err(error) => {
                self.problem(at, format!("app {id}: {error}"));
                return None;
            }
        };
        let called = name.replace('_', " ");
        if key.is_published() {
            self.problem(
                at,
                format!(
                    "the {called} of app {id} is a published one that confold dev uses; make your own, for example \
                     with: openssl rand -hex 32"
                ),
            );
            return None;
        }
        if key.is_short() {
            self.warnings.push(log_lines::SHORT_KEY.found([&called, &id]));
        }
        Some(key)
    }
}
