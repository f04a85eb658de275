//! The memory of verified signatures: what makes a call by the same caller cheap.

use std::hash::{Hash, Hasher};

use quick_cache::{Equivalent, sync::Cache};

use super::{
    App, Generation, SecretKey,
    usersig::{Flaw, check_validity},
};
use crate::domain::{AppId, UnixSeconds};

/// How many signatures are cache. Each holds its text: some 4 MB when full of ordinary ones,
/// 80 MB when every one is as long as is looked at.
const CAPACITY: usize = 10_000;

/// Verified signatures with their expiry, by app, identifier and exact text; bounded. An entry
/// also names the key it was verified with, so that a changed key forgets it.
pub(super) struct SignatureCache(Cache<Key, Verified>);

impl std::fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignatureCache({})", self.0.len())
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

impl SignatureCache {
    pub(super) fn new() -> SignatureCache {
        SignatureCache(Cache::new(CAPACITY))
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
    pub(super) fn get(
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

    pub(super) fn insert(&self, app: AppId, identifier: &str, text: &str, expires_at: i64, key: &SecretKey) {
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
        let (cache, present) = (SignatureCache::new(), Some(Generation::Current));
        cache.insert(app("old").id, "boss", "text", 100, &key("old"));
        assert_eq!(cache.get(&app("old"), "boss", "text", 100), Ok(present));
        assert_eq!(cache.get(&app("new"), "boss", "text", 100), Ok(None));
        assert_eq!(cache.get(&app("old"), "boss", "other", 100), Ok(None));
        assert_eq!(cache.get(&app("old"), "boss", "text", 101), Err(Flaw::Expired { until: 100, now: 101 }));
    }

    #[test]
    fn what_was_verified_with_a_previous_key_is_forgotten_at_its_end() {
        let cache = SignatureCache::new();
        cache.insert(app("old").id, "boss", "text", 1_000, &key("old"));
        let rotated = App { previous_key: Some(PreviousKey { key: key("old"), until: 100 }), ..app("new") };
        assert_eq!(cache.get(&rotated, "boss", "text", 100), Ok(Some(Generation::Previous)));
        assert_eq!(cache.get(&rotated, "boss", "text", 101), Ok(None));
        let without_key = App { key: None, ..rotated };
        assert_eq!(cache.get(&without_key, "boss", "text", 100), Ok(None));
    }
}
