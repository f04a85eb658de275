//! Decodes and verifies a UserSig.

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

use crate::{Claims, Flaw, Identifier, check_validity, members::Members, packing};

/// A decoded UserSig. Its claims cannot be trusted before [`UserSig::verify`] has succeeded.
///
/// ```
/// use tencent_usersig::{Claims, Flaw, Identifier, UserSig};
///
/// const APP: u64 = 1_400_000_000;
/// let text = Claims::new(APP, Identifier::parse("ann")?, 1_000, 60).sign("the key of the app");
///
/// let usersig = UserSig::decode(&text)?;
/// assert_eq!(usersig.verify(APP, "ann", "the key of the app", 1_060), Ok(()));
/// assert_eq!(usersig.verify(APP, "bob", "the key of the app", 1_060), Err(Flaw::Identifier("ann".into())));
/// assert_eq!(usersig.verify(APP, "ann", "another key", 1_061), Err(Flaw::Forged));
/// assert_eq!(
///     usersig.verify(APP, "ann", "the key of the app", 1_061),
///     Err(Flaw::Expired { until: 1_060, now: 1_061 })
/// );
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSig {
    pub(crate) claims: Claims,
    /// The HMAC in `TLS.sig`.
    hmac: Vec<u8>,
}

impl UserSig {
    /// Decodes a UserSig, within [`MAX_TEXT`](crate::MAX_TEXT) and [`MAX_INFLATED`](crate::MAX_INFLATED).
    ///
    /// # Errors
    /// Returns the variants of [`Flaw`] from [`Flaw::Empty`] to [`Flaw::Userbuf`].
    pub fn decode(text: &str) -> Result<UserSig, Flaw> {
        let members: Members = serde_json::from_slice(&packing::unpack(text)?).map_err(|_| Flaw::Json)?;
        if members.are_of_version_1() {
            return Err(Flaw::Version1);
        }
        if members.text("TLS.ver")? != "2.0" {
            return Err(Flaw::Field("TLS.ver"));
        }
        let hmac = STANDARD.decode(members.text("TLS.sig")?).map_err(|_| Flaw::Field("TLS.sig"))?;
        let identifier = Identifier::parse(members.text("TLS.identifier")?).map_err(Flaw::IdentifierForm)?;
        let userbuf = match members.has("TLS.userbuf") {
            true => Some(members.text("TLS.userbuf")?),
            false => None,
        };
        // The HMAC covers the base64 text, so the bytes are not needed; decoding only proves that the text is one line.
        if userbuf.is_some_and(|text| STANDARD.decode(text).is_err()) {
            return Err(Flaw::Userbuf);
        }
        let claims = Claims {
            identifier,
            app: members.number("TLS.sdkappid")?.try_into().map_err(|_| Flaw::Field("TLS.sdkappid"))?,
            issued_at: members.number("TLS.time")?,
            valid_for: members.number("TLS.expire")?,
            userbuf: userbuf.map(str::to_owned),
        };
        Ok(UserSig { claims, hmac })
    }

    /// Returns the claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Checks app, identifier, HMAC and validity at `now` (seconds since 1970), in this order, so that a signature
    /// with a wrong HMAC is never reported as expired. The HMACs are compared in constant time.
    ///
    /// # Errors
    /// Returns [`Flaw::App`], [`Flaw::Identifier`], [`Flaw::Forged`] or [`Flaw::Expired`].
    pub fn verify(&self, app: u64, identifier: &str, key: impl AsRef<[u8]>, now: u64) -> Result<(), Flaw> {
        self.check_subject(app, identifier)?;
        if !bool::from(self.claims.hmac(key.as_ref()).ct_eq(&self.hmac)) {
            return Err(Flaw::Forged);
        }
        check_validity(self.claims.expires_at(), now)
    }

    /// Checks only app and identifier, which is the part of [`UserSig::verify`] that needs no key.
    ///
    /// # Errors
    /// Returns [`Flaw::App`] or [`Flaw::Identifier`].
    pub fn check_subject(&self, app: u64, identifier: &str) -> Result<(), Flaw> {
        if self.claims.app != app {
            return Err(Flaw::App(self.claims.app));
        }
        if *self.claims.identifier != *identifier {
            return Err(Flaw::Identifier(self.claims.identifier.to_string()));
        }
        Ok(())
    }
}
