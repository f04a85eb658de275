//! Who is calling: the apps this server knows, the UserSig of the caller, and the gate that
//! combines them. No HTTP, no store, no clock: the time is an argument.

mod apps;
mod failures;
mod gate;
#[cfg(test)]
mod gate_tests;
mod remembered;
mod rotation;
pub mod usersig;

pub use apps::{
    App, Apps, CallRates, Edition, Generation, Network, PAGE_KEY, PreviousKey, SAMPLE_KEY, SecretKey, Token,
};
pub use gate::{Credentials, Gate, LookAlike, Refusal};
pub use rotation::PreviousUse;
pub use tencent_usersig::Identifier;
