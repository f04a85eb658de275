//! The content of a UserSig, and signing it.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Flaw, Identifier, packing};

/// The content of a UserSig: the user, the app and the validity.
///
/// ```
/// use tencent_usersig::{Claims, DEFAULT_VALIDITY, Identifier, UserSig};
///
/// let ann = Identifier::parse("ann")?;
/// let text = Claims::new(1_400_000_000, ann, 1_700_000_000, DEFAULT_VALIDITY).sign("the key of the app");
/// assert_eq!(UserSig::decode(&text)?.claims().app, 1_400_000_000);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user it was made for (`TLS.identifier`).
    pub identifier: Identifier,
    /// The `SDKAppID` (`TLS.sdkappid`).
    pub app: u64,
    /// When it was made, in seconds since 1970 (`TLS.time`).
    pub issued_at: i64,
    /// For how many seconds it is valid (`TLS.expire`).
    pub valid_for: i64,
    /// `TLS.userbuf` as in the JSON, which is always one line of base64.
    pub(crate) userbuf: Option<String>,
}

impl Claims {
    /// Creates claims for `identifier` in `app`, valid for `valid_for` seconds from `now` (seconds since 1970).
    /// Values beyond [`i64::MAX`] become [`i64::MAX`].
    #[must_use]
    pub fn new(app: u64, identifier: Identifier, now: u64, valid_for: u64) -> Claims {
        let saturated = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Claims { identifier, app, issued_at: saturated(now), valid_for: saturated(valid_for), userbuf: None }
    }

    /// Adds further data that the signature covers. TRTC stores the room and privileges there; this crate does not
    /// interpret the bytes.
    #[must_use]
    pub fn with_userbuf(self, bytes: &[u8]) -> Claims {
        Claims { userbuf: Some(STANDARD.encode(bytes)), ..self }
    }

    /// Returns the further data that the signature covers.
    #[must_use]
    pub fn userbuf(&self) -> Option<Vec<u8>> {
        let text = self.userbuf.as_ref()?;
        Some(STANDARD.decode(text).expect("`with_userbuf` and `decode` guarantee base64"))
    }

    /// Returns the last second in which it is valid, or [`i64::MAX`] if that would overflow.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.issued_at.saturating_add(self.valid_for)
    }

    /// Signs with the key of the app, which is used as ASCII text: its hexadecimal digits are not decoded.
    ///
    /// A verifier must not compare texts: the official libraries write the same claims in different ways.
    /// With a userbuf of several kilobytes, the result can exceed [`MAX_TEXT`](crate::MAX_TEXT); this crate then refuses to
    /// decode it.
    #[must_use]
    pub fn sign(&self, key: impl AsRef<[u8]>) -> String {
        let mut json = serde_json::json!({
            "TLS.ver": "2.0",
            "TLS.identifier": &*self.identifier,
            "TLS.sdkappid": self.app,
            "TLS.expire": self.valid_for,
            "TLS.time": self.issued_at,
            "TLS.sig": STANDARD.encode(self.hmac(key.as_ref())),
        });
        if let Some(userbuf) = &self.userbuf {
            json["TLS.userbuf"] = userbuf.as_str().into();
        }
        packing::pack(json.to_string().as_bytes())
    }

    /// Returns the text that the HMAC covers. It is unambiguous, because none of its parts contains a line feed.
    pub(crate) fn signed_text(&self) -> String {
        let Claims { identifier, app, issued_at, valid_for, userbuf } = self;
        let text = format!(
            "TLS.identifier:{identifier}\nTLS.sdkappid:{app}\nTLS.time:{issued_at}\nTLS.expire:{valid_for}\n"
        );
        userbuf.iter().fold(text, |text, userbuf| text + "TLS.userbuf:" + userbuf + "\n")
    }

    pub(crate) fn hmac(&self, key: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(self.signed_text().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Checks a validity that ends with the second `until` at the time `now` (both in seconds since 1970). The last second
/// is included.
///
/// Servers that cache verified signatures can use it to check only the validity when one is used again.
///
/// # Errors
/// Returns [`Flaw::Expired`].
#[inline]
pub fn check_validity(until: i64, now: u64) -> Result<(), Flaw> {
    match i64::try_from(now).unwrap_or(i64::MAX) {
        now if now > until => Err(Flaw::Expired { until, now }),
        _ => Ok(()),
    }
}
