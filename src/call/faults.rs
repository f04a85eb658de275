//! Applies the fault rules of an emulator to commands, so that calls fail on demand.

use std::time::Duration;

use crate::{
    api::{Call, Error, OWNER},
    controls::{Effect, Faults},
    wire::{Fields, code::Code},
};

/// Runs a command under the first fault rule that matches it. `cut` becomes true when the answer is to be dropped.
pub(super) async fn run_with_faults(
    faults: &Faults,
    call: Call<'_>,
    request: Fields<'_>,
    cut: &mut bool,
) -> Result<Vec<u8>, Error> {
    let owner = request.peek(&OWNER);
    let Some(fault) = faults.strike(call.command, owner) else {
        return call.command.run(call, request).await;
    };
    pause(fault.latency).await;
    match fault.effect {
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

#[expect(clippy::disallowed_methods, reason = "a fault rule asks for real latency")]
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
