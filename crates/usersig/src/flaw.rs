//! Why a UserSig is refused.

use crate::{IdentifierError, MAX_INFLATED, MAX_TEXT};

/// Why a UserSig is refused. The variants are in the order of the checks; the first check that fails is
/// reported.
///
/// The enum is exhaustive on purpose: a server has an answer for each reason, and the compiler shows where one is missing.
/// No message contains a key, an HMAC or the UserSig itself; what a message quotes is bounded and printable on one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The text is empty.
    #[error("it has no bytes")]
    Empty,
    /// The text is longer than [`MAX_TEXT`].
    #[error("it is longer than {MAX_TEXT} bytes")]
    TooLong,
    /// The text is not base64 in the alphabet of UserSig.
    #[error("it is not base64 in the alphabet A-Z a-z 0-9 * - _, or was cut")]
    Base64,
    /// The decoded bytes are not a zlib stream, or only the beginning of one.
    #[error("its content is not a complete zlib stream")]
    Zlib,
    /// The content inflates to more than [`MAX_INFLATED`].
    #[error("it inflates to more than {MAX_INFLATED} bytes")]
    TooLarge,
    /// The inflated content is not a JSON object.
    #[error("its content is not a JSON object")]
    Json,
    /// It is a signature of version 1, the predecessor, which was made with a private key.
    #[error(
        "it is a version 1 signature, made with a private key (ECDSA); only version 2 can be verified, which is made with \
         the app's secret key (HMAC-SHA256, libraries tls-sig-api-v2)"
    )]
    Version1,
    /// The named field is missing, occurs twice or has an unusable value, or the version is not 2.0.
    #[error("its field {0} is missing, occurs twice or is unusable")]
    Field(&'static str),
    /// The identifier cannot be signed: see [`Identifier`](crate::Identifier).
    #[error("its field TLS.identifier {0}")]
    IdentifierForm(IdentifierError),
    /// The userbuf is not base64. Such a userbuf could contain further lines of the signed text.
    #[error("its field TLS.userbuf is not base64 in the alphabet A-Z a-z 0-9 + / with padding =")]
    Userbuf,
    /// It was made for this app instead of the expected one.
    #[error("it was made for app {0}")]
    App(u64),
    /// It was made for this identifier instead of the expected one.
    #[error("it was made for the identifier {0:?}")]
    Identifier(String),
    /// Its HMAC was computed with another key, or something in it was changed afterwards.
    #[error("it was not made with this app's key, or was changed afterwards")]
    Forged,
    /// Its validity is over.
    #[error("it was valid until {until}, and the time is {now} (seconds since 1970)")]
    Expired {
        /// The last second in which it was valid.
        until: i64,
        /// The time of the check.
        now: i64,
    },
}
