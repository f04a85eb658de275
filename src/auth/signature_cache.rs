//! A cache of verified signatures, so that further calls with the same UserSig are cheap.

use std::hash::{Hash, Hasher};

use quick_cache::{Equivalent, sync::Cache};
use tencent_usersig::{Flaw, check_validity};

use super::{App, Generation, SecretKey};
use crate::domain::{AppId, UnixSeconds};

/// The maximum number of signatures. Each is stored with its text, so a full cache needs about 4 MB, or 80 MB if all
/// signatures have the maximum length.
const CAPACITY: usize = 10_000;

/// Verified signatures with their expiry, by app, identifier and exact text. An entry also holds the key that verified it,
/// so that it is not used after the key has changed.
pub(super) struct SignatureCache(Cache<SignatureKey, Verified>);

impl std::fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignatureCache({})", self.0.len())
    }
}

#[derive(Clone, PartialEq, Eq)]
struct SignatureKey {
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

    /// Returns the number of cached signatures.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns which key of the app made a signature, if it was verified before and that key is still accepted. Signatures
    /// made with a key that was removed or has expired are not found.
    ///
    /// # Errors
    /// Returns [`Flaw::Expired`] if the signature is found, but has expired.
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
        self.0.insert(SignatureKey { app, identifier: identifier.into(), text: text.into() }, verified);
    }
}

impl Hash for SignatureKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrowed { app: self.app, identifier: &self.identifier, text: &self.text }.hash(state);
    }
}

/// A borrowed [`SignatureKey`] for lookups.
#[derive(Hash)]
struct Borrowed<'a> {
    app: AppId,
    identifier: &'a str,
    text: &'a str,
}

impl Equivalent<SignatureKey> for Borrowed<'_> {
    fn equivalent(&self, key: &SignatureKey) -> bool {
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
    fn signatures_of_a_replaced_key_are_not_found() {
        let (cache, present) = (SignatureCache::new(), Some(Generation::Current));
        cache.insert(app("old").id, "boss", "text", 100, &key("old"));
        assert_eq!(cache.get(&app("old"), "boss", "text", 100), Ok(present));
        assert_eq!(cache.get(&app("new"), "boss", "text", 100), Ok(None));
        assert_eq!(cache.get(&app("old"), "boss", "other", 100), Ok(None));
        assert_eq!(cache.get(&app("old"), "boss", "text", 101), Err(Flaw::Expired { until: 100, now: 101 }));
    }

    #[test]
    fn signatures_of_a_previous_key_are_not_found_after_its_end() {
        let cache = SignatureCache::new();
        cache.insert(app("old").id, "boss", "text", 1_000, &key("old"));
        let rotated = App { previous_key: Some(PreviousKey { key: key("old"), until: 100 }), ..app("new") };
        assert_eq!(cache.get(&rotated, "boss", "text", 100), Ok(Some(Generation::Previous)));
        assert_eq!(cache.get(&rotated, "boss", "text", 101), Ok(None));
        let without_key = App { key: None, ..rotated };
        assert_eq!(cache.get(&without_key, "boss", "text", 100), Ok(None));
    }
}
