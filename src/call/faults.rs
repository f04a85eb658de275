//! The stage of fault rules: a command runs where an emulator lets calls fail on demand.

use std::time::Duration;

use crate::{
    api::{Call, Error, OWNER},
    controls::{Effect, Faults},
    wire::{Fields, code::Code},
};

/// Runs a command as the first fault rule that fits it wants; `cut` becomes true when its answer is to be lost.
pub(super) async fn run_with_faults(
    faults: &Faults,
    call: Call<'_>,
    request: Fields<'_>,
    cut: &mut bool,
) -> Result<Vec<u8>, Error> {
    let owner = request.peek(&OWNER);
    let Some(struck) = faults.strike(call.command, owner) else {
        return call.command.run(call, request).await;
    };
    pause(struck.latency).await;
    match struck.effect {
        Effect::None => call.command.run(call, request).await,
        Effect::Refuse(code, info) => Err(Error::Injected(code, info)),
        Effect::Drop => {
            *cut = true;
            Err(Error::Injected(Code::OK, "the connection was closed by a fault rule".to_owned()))
        }
        Effect::LoseAnswer => {
            let outcome = call.command.run(call, request).await;
            *cut = true;
            outcome
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "latency on demand is time that passes")]
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
