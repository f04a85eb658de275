//! UserSig v2: the text by which an administrator proves who he is.
//!
//! A UserSig is a JSON object with the identifier, the app, the time of issue, the seconds of
//! validity and an HMAC-SHA256 of these under the app's key (used as ASCII text); zlib-compressed,
//! in base64 with `+/=` written `*-_`. The official libraries differ in key order, spacing and
//! compression, so that a text is never compared, only decoded and its HMAC computed again.
//! Format and check order: the official libraries `tls-sig-api-v2`.

use std::io::{Read, Write};

use base64::{
    Engine,
    alphabet::Alphabet,
    engine::general_purpose::{GeneralPurpose, STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Identifier, IdentifierError, SecretKey, members::Members};
use crate::{
    domain::{AppId, UnixSeconds, utc},
    excerpt,
};

/// The longest text that is looked at. Official ones have 300 to 500 bytes.
pub const MAX_TEXT: usize = 8 * 1024;
/// The most that a text may inflate to.
pub const MAX_INFLATED: usize = 64 * 1024;
/// The validity the official libraries choose: 180 days.
pub const DEFAULT_VALIDITY: u64 = 180 * 86_400;

/// What a UserSig claims. Nothing is known to be true before [`Claims::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose signature it is (`TLS.identifier`).
    pub identifier: Identifier,
    /// For which app (`TLS.sdkappid`).
    pub app: u64,
    /// When it was made (`TLS.time`).
    pub issued_at: i64,
    /// For how many seconds (`TLS.expire`).
    pub valid_for: i64,
    /// Extra data under the signature (`TLS.userbuf`, base64); without meaning for REST.
    pub userbuf: Option<String>,
    /// The HMAC it carries (`TLS.sig`, base64).
    signature: Vec<u8>,
}

/// Why a UserSig is refused, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It has no bytes.
    #[error("it has no bytes")]
    Empty,
    /// It is longer than [`MAX_TEXT`].
    #[error("it is longer than {MAX_TEXT} bytes")]
    TooLong,
    /// It is not base64 with `*-_`.
    #[error("it is not base64 in the alphabet A-Z a-z 0-9 * - _, or was cut")]
    Base64,
    /// What base64 holds is no zlib stream, or one cut short.
    #[error("its content is not a complete zlib stream")]
    Zlib,
    /// It inflates to more than [`MAX_INFLATED`].
    #[error("it inflates to more than {MAX_INFLATED} bytes")]
    TooLarge,
    /// What zlib holds is not a JSON object.
    #[error("its content is not a JSON object")]
    Json,
    /// It was made with a private key, by the method that came before this one.
    #[error(
        "it is a version 1 signature, made with a private key (ECDSA); confold, like the service today, takes \
         version 2, which is made with the app's secret key (HMAC-SHA256, libraries tls-sig-api-v2)"
    )]
    Version1,
    /// A field is missing, stands twice or has the wrong type, or the version is not 2.0.
    #[error("its field {0} is missing, stands twice or is unusable")]
    Field(&'static str),
    /// Its identifier could stand for more than one line of the text that is signed, or is too long.
    #[error("its field TLS.identifier {0}")]
    IdentifierForm(IdentifierError),
    /// Its userbuf is not base64 and could stand for more than one line of the text that is signed.
    #[error("its field TLS.userbuf is not base64 in the alphabet A-Z a-z 0-9 + / with padding =")]
    Userbuf,
    /// It was made for another app.
    #[error("it was made for app {0}")]
    App(u64),
    /// It was made for another identifier.
    #[error("it was made for the identifier {}", excerpt::quoted(_0))]
    Identifier(String),
    /// It was not made with this key, or was changed since.
    #[error("it was not made with this app's key, or was changed afterwards")]
    Forged,
    /// Its validity is over.
    #[error("it was valid until {}, and the time now is {}", utc(*until), utc(*now))]
    Expired {
        /// The last second in which it was valid.
        until: i64,
        /// The time at which it was checked.
        now: i64,
    },
}

impl Claims {
    /// Takes a text apart, within bounds on its length and inflated size.
    ///
    /// # Errors
    /// The flaws up to [`Flaw::Field`].
    pub fn decode(text: &str) -> Result<Claims, Flaw> {
        if text.is_empty() {
            return Err(Flaw::Empty);
        }
        if text.len() > MAX_TEXT {
            return Err(Flaw::TooLong);
        }
        let trimmed = text.trim_end_matches('_');
        let packed = ENGINE.decode(trimmed).map_err(|_| Flaw::Base64)?;
        let mut json = Vec::with_capacity(512);
        let limit = MAX_INFLATED as u64 + 1;
        (flate2::read::ZlibDecoder::new(&*packed).take(limit))
            .read_to_end(&mut json)
            .map_err(|_| Flaw::Zlib)?;
        if json.len() > MAX_INFLATED {
            return Err(Flaw::TooLarge);
        }
        let members: Members = serde_json::from_slice(&json).map_err(|_| Flaw::Json)?;
        Claims::from_members(&members)
    }

    fn from_members(members: &Members) -> Result<Claims, Flaw> {
        let text = |name: &'static str| members.get(name)?.as_str().ok_or(Flaw::Field(name));
        if members.are_of_version_1() {
            return Err(Flaw::Version1);
        }
        if text("TLS.ver")? != "2.0" {
            return Err(Flaw::Field("TLS.ver"));
        }
        let signature = STANDARD.decode(text("TLS.sig")?).map_err(|_| Flaw::Field("TLS.sig"))?;
        let identifier = Identifier::parse(text("TLS.identifier")?).map_err(Flaw::IdentifierForm)?;
        let userbuf = match members.has("TLS.userbuf") {
            true => Some(text("TLS.userbuf")?),
            false => None,
        };
        // What is signed is the text, not the bytes it stands for; decoding only shows that it is one line.
        if userbuf.is_some_and(|text| STANDARD.decode(text).is_err()) {
            return Err(Flaw::Userbuf);
        }
        Ok(Claims {
            identifier,
            app: members.number("TLS.sdkappid")?.try_into().map_err(|_| Flaw::Field("TLS.sdkappid"))?,
            issued_at: members.number("TLS.time")?,
            valid_for: members.number("TLS.expire")?,
            userbuf: userbuf.map(str::to_owned),
            signature,
        })
    }

    /// Checks the claims: app, identifier, HMAC, expiry – in this order, so that a forged text
    /// never learns more than that it is forged (decision 16).
    ///
    /// # Errors
    /// [`Flaw::App`], [`Flaw::Identifier`], [`Flaw::Forged`] or [`Flaw::Expired`].
    pub fn check(&self, app: AppId, identifier: &str, key: &SecretKey, now: UnixSeconds) -> Result<(), Flaw> {
        self.check_subject(app, identifier)?;
        if !bool::from(self.expected_signature(key).ct_eq(&self.signature)) {
            return Err(Flaw::Forged);
        }
        check_validity(self.expires_at(), now)
    }

    /// The first part of [`Claims::check`], for which no key is needed.
    ///
    /// # Errors
    /// [`Flaw::App`] or [`Flaw::Identifier`].
    pub fn check_subject(&self, app: AppId, identifier: &str) -> Result<(), Flaw> {
        if self.app != u64::from(app.number()) {
            return Err(Flaw::App(self.app));
        }
        if *self.identifier != *identifier {
            return Err(Flaw::Identifier(self.identifier.to_string()));
        }
        Ok(())
    }

    /// The last second in which it is valid.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.issued_at.saturating_add(self.valid_for)
    }

    /// The text under the HMAC. It can be read in one way only, because no part of it has a line feed.
    fn signed_text(&self) -> String {
        let Claims { identifier, app, issued_at, valid_for, .. } = self;
        let text = format!(
            "TLS.identifier:{identifier}\nTLS.sdkappid:{app}\nTLS.time:{issued_at}\nTLS.expire:{valid_for}\n"
        );
        self.userbuf.iter().fold(text, |text, userbuf| text + "TLS.userbuf:" + userbuf + "\n")
    }

    fn expected_signature(&self, key: &SecretKey) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(self.signed_text().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Checks that something valid until `until` is valid at `now`. The last second still passes.
///
/// # Errors
/// [`Flaw::Expired`].
pub(super) fn check_validity(until: i64, now: UnixSeconds) -> Result<(), Flaw> {
    match i64::try_from(now).unwrap_or(i64::MAX) {
        now if now > until => Err(Flaw::Expired { until, now }),
        _ => Ok(()),
    }
}

/// Makes a UserSig for `identifier` of `app`, valid for `valid_for` seconds from `now`.
#[must_use]
pub fn make(
    app: AppId,
    identifier: &Identifier,
    key: &SecretKey,
    now: UnixSeconds,
    valid_for: u64,
) -> String {
    let saturated = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut claims = Claims {
        identifier: identifier.clone(),
        app: app.number().into(),
        issued_at: saturated(now),
        valid_for: saturated(valid_for),
        userbuf: None,
        signature: Vec::new(),
    };
    claims.signature = claims.expected_signature(key).to_vec();
    let json = serde_json::json!({
        "TLS.ver": "2.0",
        "TLS.identifier": &*claims.identifier,
        "TLS.sdkappid": claims.app,
        "TLS.expire": claims.valid_for,
        "TLS.time": claims.issued_at,
        "TLS.sig": STANDARD.encode(&claims.signature),
    });
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(json.to_string().as_bytes()).expect("writing to memory cannot fail");
    let zipped = packer.finish().expect("writing to memory cannot fail");
    let mut text = ENGINE.encode(zipped);
    // Padding is kept, as `_`.
    while text.len() % 4 != 0 {
        text.push('_');
    }
    text
}

/// Base64 with `*` for `+` and `-` for `/`. Padding, written `_` or missing, is cut off before.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-") {
        Ok(alphabet) => alphabet,
        Err(_) => unreachable!(),
    },
    base64::engine::general_purpose::NO_PAD,
);

#[cfg(test)]
#[path = "usersig_tests.rs"]
mod tests;
