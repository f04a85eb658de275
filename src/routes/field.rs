//! The fields in the request bodies of controls.

use crate::wire::{Field, bare};

/// The app that is affected.
pub(crate) const SDK_APP_ID: Field = bare("SdkAppId");
/// Whether a reset includes the controls.
pub(crate) const CONTROLS: Field = bare("Controls");
/// Stops the clock.
pub(crate) const FREEZE: Field = bare("Freeze");
/// Advances the clock.
pub(crate) const ADVANCE: Field = bare("Advance");
/// Makes the clock run again.
pub(crate) const RESUME: Field = bare("Resume");
/// The name of a snapshot.
pub(crate) const NAME: Field = bare("Name");
