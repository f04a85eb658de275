//! The memory of verified signatures: what makes a call by the same caller cheap.

use std::hash::{Hash, Hasher};

use quick_cache::{Equivalent, sync::Cache};
use tencent_usersig::{Flaw, check_validity};

use super::{App, Generation, SecretKey};
use crate::domain::{AppId, UnixSeconds};

/// How many signatures are remembered. Each holds its text: some 4 MB when full of ordinary ones,
/// 80 MB when every one is as long as is looked at.
const CAPACITY: usize = 10_000;

/// Verified signatures with their expiry, by app, identifier and exact text; bounded. An entry
/// also names the key it was verified with, so that a changed key forgets it.
pub(super) struct Remembered(Cache<Key, Verified>);

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remembered({})", self.0.len())
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    app: AppId,
    identifier: Box<str>,
    text: Box<str>,
}

#[derive(Clone)]
struct Verified {
    expires_at: i64,
    key: SecretKey,
}

impl Remembered {
    pub(super) fn new() -> Remembered {
        Remembered(Cache::new(CAPACITY))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Which key of the app has made the text, if it was verified before by one that is accepted now. So a key that
    /// was removed, or whose end has come, is forgotten with all it has made.
    ///
    /// # Errors
    /// [`Flaw::Expired`] when it was, and has expired since.
    pub(super) fn holds(
        &self,
        app: &App,
        identifier: &str,
        text: &str,
        now: UnixSeconds,
    ) -> Result<Option<Generation>, Flaw> {
        let Some(verified) = self.0.get(&Borrowed { app: app.id, identifier, text }) else {
            return Ok(None);
        };
        let Some((generation, _)) = app.keys(now).find(|(_, key)| **key == verified.key) else {
            return Ok(None);
        };
        check_validity(verified.expires_at, now)?;
        Ok(Some(generation))
    }

    pub(super) fn keep(&self, app: AppId, identifier: &str, text: &str, expires_at: i64, key: &SecretKey) {
        let verified = Verified { expires_at, key: key.clone() };
        self.0.insert(Key { app, identifier: identifier.into(), text: text.into() }, verified);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrowed { app: self.app, identifier: &self.identifier, text: &self.text }.hash(state);
    }
}

/// A key that is only looked for.
#[derive(Hash)]
struct Borrowed<'a> {
    app: AppId,
    identifier: &'a str,
    text: &'a str,
}

impl Equivalent<Key> for Borrowed<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.app == key.app && *self.identifier == *key.identifier && *self.text == *key.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::PreviousKey;

    fn key(text: &str) -> SecretKey {
        SecretKey::new(text).unwrap()
    }

    fn app(present: &str) -> App {
        App::new(AppId::new(7).unwrap(), key(present), Vec::new())
    }

    #[test]
    fn what_was_verified_with_another_key_is_forgotten() {
        let (remembered, present) = (Remembered::new(), Some(Generation::Present));
        remembered.keep(app("old").id, "boss", "text", 100, &key("old"));
        assert_eq!(remembered.holds(&app("old"), "boss", "text", 100), Ok(present));
        assert_eq!(remembered.holds(&app("new"), "boss", "text", 100), Ok(None));
        assert_eq!(remembered.holds(&app("old"), "boss", "other", 100), Ok(None));
        assert_eq!(
            remembered.holds(&app("old"), "boss", "text", 101),
            Err(Flaw::Expired { until: 100, now: 101 })
        );
    }

    #[test]
    fn what_was_verified_with_a_previous_key_is_forgotten_at_its_end() {
        let remembered = Remembered::new();
        remembered.keep(app("old").id, "boss", "text", 1_000, &key("old"));
        let rotated = App { previous_key: Some(PreviousKey { key: key("old"), until: 100 }), ..app("new") };
        assert_eq!(remembered.holds(&rotated, "boss", "text", 100), Ok(Some(Generation::Previous)));
        assert_eq!(remembered.holds(&rotated, "boss", "text", 101), Ok(None));
        let without_key = App { key: None, ..rotated };
        assert_eq!(remembered.holds(&without_key, "boss", "text", 100), Ok(None));
    }
}
