//! UserSig with confold's types and texts. The crate `tencent_usersig` implements the format.

use tencent_usersig::Claims;
pub use tencent_usersig::{DEFAULT_VALIDITY, Flaw, UserSig};

use super::{Identifier, SecretKey};
use crate::{
    domain::{AppId, UnixSeconds, utc},
    excerpt::quoted,
};

/// Creates a UserSig for `identifier` of `app`, valid for `valid_for` seconds from `now`.
#[must_use]
pub fn make(
    app: AppId,
    identifier: &Identifier,
    key: &SecretKey,
    now: UnixSeconds,
    valid_for: u64,
) -> String {
    Claims::new(app.number().into(), identifier.clone(), now, valid_for).sign(key.as_bytes())
}

/// Checks that a UserSig is for this app and identifier, was made with this key, and is valid now (decision 16).
///
/// # Errors
/// Returns the first flaw in this order.
pub fn verify(
    usersig: &UserSig,
    app: AppId,
    identifier: &str,
    key: &SecretKey,
    now: UnixSeconds,
) -> Result<(), Flaw> {
    usersig.verify(app.number().into(), identifier, key.as_bytes(), now)
}

/// Describes a flaw. Some texts of the crate are replaced, to show times and quoted texts as confold does everywhere.
#[must_use]
pub fn in_words(flaw: &Flaw) -> String {
    match flaw {
        Flaw::Version1 => {
            "it is a version 1 signature, made with a private key (ECDSA); confold, like the service today, accepts \
             only version 2, which is made with the app's secret key (HMAC-SHA256, libraries tls-sig-api-v2)"
                .to_owned()
        }
        Flaw::Identifier(found) => format!("it was made for the identifier {}", quoted(found)),
        Flaw::Expired { until, now } => {
            format!("it was valid until {}, and the time now is {}", utc(*until), utc(*now))
        }
        other => other.to_string(),
    }
}

/// Describes a flaw for a reply. Client libraries search for the phrases "UserSig … expired" and "does not match the
/// Usersig" (decision 29). The vendor's sentences that precede other texts are in `api`.
pub(super) fn in_reply(flaw: &Flaw, app: AppId, identifier: &str) -> String {
    match flaw {
        Flaw::App(found) => format!(
            "The requested SDKAppID({app}) does not match the Usersig({found}). You can run a self-checking with \
             confold verify-usersig; call with sdkappid={found}, or sign with the key of app {app}"
        ),
        // The name must not be followed by a colon, because the text after it would be masked like a signature.
        Flaw::Identifier(found) => format!(
            "the identifier {} does not match the Usersig, which was made for the identifier {}",
            quoted(identifier),
            quoted(found),
        ),
        Flaw::Expired { until, now } => format!(
            "The UserSig in use is expired: it was valid until {}, and the clock of this server says {}; make a new \
             one, valid for a day or more",
            utc(*until),
            utc(*now),
        ),
        Flaw::Forged => format!("This UserSig is refused for app {app}: {flaw}"),
        Flaw::Empty => "the UserSig is empty: it has 0 bytes".to_owned(),
        _ => format!("This UserSig cannot be used: {}", in_words(flaw)),
    }
}
