//! What a UserSig says, and signing it.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Flaw, Identifier, packing};

/// What a UserSig says: who it is for, in which app, and how long.
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
    /// The user whose signature it is (`TLS.identifier`).
    pub identifier: Identifier,
    /// The `SDKAppID` (`TLS.sdkappid`).
    pub app: u64,
    /// When it was made, in seconds since 1970 (`TLS.time`).
    pub issued_at: i64,
    /// For how many seconds it is valid (`TLS.expire`).
    pub valid_for: i64,
    /// `TLS.userbuf` as it stands in the JSON: always one line of base64.
    pub(crate) userbuf: Option<String>,
}

impl Claims {
    /// Claims for `identifier` in `app`, valid for `valid_for` seconds from `now` (seconds since 1970).
    /// Values beyond [`i64::MAX`] become [`i64::MAX`].
    #[must_use]
    pub fn new(app: u64, identifier: Identifier, now: u64, valid_for: u64) -> Claims {
        let saturated = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Claims { identifier, app, issued_at: saturated(now), valid_for: saturated(valid_for), userbuf: None }
    }

    /// The same with further data under the signature. The audio and video product keeps room and privileges there;
    /// this crate passes the bytes on without reading them.
    #[must_use]
    pub fn with_userbuf(self, bytes: &[u8]) -> Claims {
        Claims { userbuf: Some(STANDARD.encode(bytes)), ..self }
    }

    /// The further data under the signature.
    #[must_use]
    pub fn userbuf(&self) -> Option<Vec<u8>> {
        let text = self.userbuf.as_ref()?;
        Some(STANDARD.decode(text).expect("both ways of making claims see to it that the userbuf is base64"))
    }

    /// The last second in which it is valid. The sum saturates.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.issued_at.saturating_add(self.valid_for)
    }

    /// Signs with the key of the app, which is used as ASCII text: its hexadecimal digits are not decoded.
    ///
    /// A verifier must not compare texts: the official libraries write the same claims in different ways.
    /// A text longer than [`MAX_TEXT`](crate::MAX_TEXT), which takes a userbuf of several kilobytes, is made but not
    /// decoded by this crate.
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

    /// The text under the HMAC. It can be read in one way only, because none of its parts contains a line feed.
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

/// Checks that something valid until the second `until` is valid at `now` (seconds since 1970). The last second still
/// passes.
///
/// It is for servers that remember what they have verified, to check the validity alone when a text comes again.
///
/// # Errors
/// [`Flaw::Expired`].
#[inline]
pub fn check_validity(until: i64, now: u64) -> Result<(), Flaw> {
    match i64::try_from(now).unwrap_or(i64::MAX) {
        now if now > until => Err(Flaw::Expired { until, now }),
        _ => Ok(()),
    }
}
