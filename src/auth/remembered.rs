//! The memory of verified signatures: what makes a call by the same caller cheap.

use std::hash::{Hash, Hasher};

use quick_cache::{Equivalent, sync::Cache};

use super::{
    App,
    usersig::{Flaw, check_validity},
};
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
    key: super::SecretKey,
}

impl Remembered {
    pub(super) fn new() -> Remembered {
        Remembered(Cache::new(CAPACITY))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text was verified before, under the app's present key.
    ///
    /// # Errors
    /// [`Flaw::Expired`] when it was, and has expired since.
    pub(super) fn holds(
        &self,
        app: &App,
        identifier: &str,
        text: &str,
        now: UnixSeconds,
    ) -> Result<bool, Flaw> {
        let Some(verified) = self.0.get(&Borrowed { app: app.id, identifier, text }) else {
            return Ok(false);
        };
        if app.key.as_ref() != Some(&verified.key) {
            return Ok(false);
        }
        check_validity(verified.expires_at, now)?;
        Ok(true)
    }

    pub(super) fn keep(&self, app: &App, identifier: &str, text: &str, expires_at: i64) {
        let Some(verified_with) = &app.key else { return };
        let key = Key { app: app.id, identifier: identifier.into(), text: text.into() };
        self.0.insert(key, Verified { expires_at, key: verified_with.clone() });
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
    use crate::auth::SecretKey;

    #[test]
    fn what_was_verified_with_another_key_is_forgotten() {
        let app = |key| App::new(AppId::new(7).unwrap(), SecretKey::new(key).unwrap(), Vec::new());
        let remembered = Remembered::new();
        remembered.keep(&app("old"), "boss", "text", 100);
        assert_eq!(remembered.holds(&app("old"), "boss", "text", 100), Ok(true));
        assert_eq!(remembered.holds(&app("new"), "boss", "text", 100), Ok(false));
        assert_eq!(remembered.holds(&app("old"), "boss", "other", 100), Ok(false));
        assert_eq!(
            remembered.holds(&app("old"), "boss", "text", 101),
            Err(Flaw::Expired { until: 100, now: 101 })
        );
    }
}
