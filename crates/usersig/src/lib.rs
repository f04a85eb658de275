//! Signs, decodes and verifies UserSig, the signature of Tencent Chat and TRTC.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod claims;
mod decoding;
mod flaw;
mod identifier;
mod members;
mod packing;
#[cfg(test)]
mod usersig_tests;

pub use claims::{Claims, check_validity};
pub use decoding::UserSig;
pub use flaw::Flaw;
pub use identifier::{Identifier, IdentifierError};

/// The maximum length of a UserSig in bytes. Those of the official libraries have 300 to 500 bytes.
pub const MAX_TEXT: usize = 8 * 1024;
/// The maximum number of bytes that a UserSig may inflate to.
pub const MAX_INFLATED: usize = 64 * 1024;
/// The validity that the official libraries choose by default, in seconds: 180 days.
pub const DEFAULT_VALIDITY: u64 = 180 * 86_400;
