//! Counts of received webhooks. Their senders choose the names of the kinds, so the number of names is limited.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::exposition::Exposition;

/// How many kinds are counted by name.
const NAMES: usize = 64;
/// The longest name of a kind.
const NAME_BYTES: usize = 64;
/// The name of all other kinds.
const OTHER: &str = "other";

/// The counts, by kind and by what became of the webhooks.
#[derive(Debug, Default)]
pub(super) struct Callbacks(Mutex<BTreeMap<Box<str>, BTreeMap<&'static str, u64>>>);

impl Callbacks {
    pub(super) fn count(&self, event: &str, result: &'static str) {
        let is_name = (1..=NAME_BYTES).contains(&event.len())
            && event.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name =
            if is_name && (counts.len() < NAMES || counts.contains_key(event)) { event } else { OTHER };
        // The name is copied only the first time.
        if !counts.contains_key(name) {
            counts.insert(name.into(), BTreeMap::new());
        }
        if let Some(results) = counts.get_mut(name) {
            *results.entry(result).or_default() += 1;
        }
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let family = "confold_callbacks_total";
        out.family(family, "counter", "Received webhooks by kind and what became of them.");
        for (event, results) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for (result, count) in results {
                out.sample(family, &[("event", event), ("result", result)], *count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_names_is_limited() {
        let callbacks = Callbacks::default();
        for index in 0..1_000 {
            callbacks.count(&format!("Group.Callback{index}"), "unknown");
        }
        for bad in ["", "a b", "a\"", "ä", &"a".repeat(65)] {
            callbacks.count(bad, "unknown");
        }
        callbacks.count("Group.Callback63", "unknown");
        let counts = callbacks.0.into_inner().unwrap();
        assert_eq!((counts.len(), counts[OTHER]["unknown"]), (NAMES + 1, 1_000 - 64 + 5));
        assert_eq!(counts["Group.Callback63"]["unknown"], 2);
    }
}
