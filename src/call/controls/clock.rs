//! Shows and changes the clock.

use serde_json::{Value, json};

use super::{
    refusal::{Refused, bad},
    requests::SetClock,
};
use crate::{clock::Clock, interchange::LAST_SECOND};

/// Returns the time and whether the clock stands still.
pub(super) fn shown(clock: &Clock) -> Value {
    json!({ "Now": clock.now(), "Frozen": clock.is_frozen() })
}

/// Changes the clock.
///
/// # Errors
/// Returns a refusal if the clock would pass the latest supported time.
pub(super) fn set(clock: &Clock, set: &SetClock) -> Result<(), Refused> {
    match *set {
        SetClock::Freeze(at) => clock.freeze(at),
        SetClock::Resume => clock.resume(),
        SetClock::Advance(seconds) => {
            let at = clock.now().saturating_add(u64::from(seconds));
            if at > LAST_SECOND {
                let said = format!(
                    "Advance: the clock cannot pass {LAST_SECOND}, the end of the year 9999; this would be {at}"
                );
                return Err(bad(said));
            }
            clock.advance(seconds);
        }
    }
    Ok(())
}
