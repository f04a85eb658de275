//! Authentication: the apps of this server, the UserSig of a caller, and the gate that checks a caller against both. It
//! does not depend on HTTP, the store or a clock; the time is an argument.

mod apps;
mod callback;
mod failures;
mod gate;
#[cfg(test)]
mod gate_tests;
mod refusal;
mod rotation;
mod signature_cache;
pub mod usersig;

pub use apps::{
    App, Apps, CallRates, Edition, Extensions, Generation, MessageMode, Network, PAGE_KEY, PreviousKey,
    SAMPLE_KEY, SecretKey, Token,
};
pub use callback::{Callback, SignRefusal, SigningToken};
pub use gate::{Caller, Credentials, Gate};
pub use refusal::{LookAlike, Refusal};
pub use rotation::PreviousUse;
pub use tencent_usersig::Identifier;
