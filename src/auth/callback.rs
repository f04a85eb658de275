//! What an app accepts of Tencent Chat's webhooks, and who may send them.

use subtle::ConstantTimeEq;

use super::apps::Token;
use crate::{address::Address, domain::UnixSeconds, vendor_sign::vendor_sign};

/// How far the time of a signature may be from the server's time, in seconds.
const SIGNED_WITHIN: u64 = 60;

/// How an app receives the webhooks of Tencent Chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The secret in the path.
    pub secret: Token,
    /// The token that signs the time of each webhook, if they are signed.
    pub token: Option<SigningToken>,
    /// Whether webhooks change memberships and disband chat groups.
    pub membership: bool,
    /// Where each webhook is sent as well. The answer of this server becomes the answer.
    pub forward: Option<Address>,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// How many webhooks per second are accepted; `None` for no limit.
    pub calls_per_second: Option<u32>,
}

/// The token with which webhooks are signed. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningToken(Box<str>);

/// Why the signature of a webhook is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignRefusal {
    /// There is no signature.
    #[error(
        "the query has no Sign and RequestTime, but the app has a callback token; switch authentication on where the \
         webhook is configured"
    )]
    Missing,
    /// The time is not a number.
    #[error("the query parameter RequestTime must be a time in seconds")]
    BadTime,
    /// The time is too far away.
    #[error(
        "the query parameter RequestTime is {0} seconds from this server's time, which is more than {SIGNED_WITHIN}; check \
         both clocks"
    )]
    Stale(u64),
    /// The signature was not made with the token.
    #[error("the query parameter Sign was not made with the callback token of the app")]
    Wrong,
}

impl SigningToken {
    /// Creates a token.
    #[must_use]
    pub fn new(text: &str) -> SigningToken {
        SigningToken(text.into())
    }

    /// Verifies a signature and its time, as they are in the query.
    ///
    /// # Errors
    /// Returns why the signature is refused.
    pub fn verify(
        &self,
        sign: Option<&str>,
        time: Option<&str>,
        now: UnixSeconds,
    ) -> Result<(), SignRefusal> {
        let (Some(sign), Some(time)) = (sign, time) else { return Err(SignRefusal::Missing) };
        let is_signed: bool = vendor_sign(&self.0, time).as_bytes().ct_eq(sign.as_bytes()).into();
        if !is_signed {
            return Err(SignRefusal::Wrong);
        }
        let is_number = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: u64 = time.parse().ok().filter(|_| is_number).ok_or(SignRefusal::BadTime)?;
        match seconds.abs_diff(now) {
            0..=SIGNED_WITHIN => Ok(()),
            away => Err(SignRefusal::Stale(away)),
        }
    }
}

impl std::fmt::Debug for SigningToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_verified_with_its_time() {
        const TIME: u64 = 1_669_872_112;
        const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";
        let token = SigningToken::new("xxxxyyyy");
        let verify = |sign, time, now| token.verify(sign, time, now);
        for now in [TIME - 60, TIME, TIME + 60] {
            assert_eq!(verify(Some(SIGN), Some("1669872112"), now), Ok(()), "{now}");
        }
        assert_eq!(verify(Some(SIGN), Some("1669872112"), TIME + 61), Err(SignRefusal::Stale(61)));
        assert_eq!(verify(Some(SIGN), Some("1669872112"), TIME - 61), Err(SignRefusal::Stale(61)));
        assert_eq!(verify(Some(SIGN), Some("1669872113"), TIME), Err(SignRefusal::Wrong));
        let upper = SIGN.to_uppercase();
        assert_eq!(verify(Some(&upper), Some("1669872112"), TIME), Err(SignRefusal::Wrong));
        assert_eq!(
            SigningToken::new("other").verify(Some(SIGN), Some("1669872112"), TIME),
            Err(SignRefusal::Wrong)
        );
        for (sign, time) in [(None, Some("1669872112")), (Some(SIGN), None)] {
            assert_eq!(verify(sign, time, TIME), Err(SignRefusal::Missing));
        }
        let signed = vendor_sign("xxxxyyyy", "+1669872112");
        assert_eq!(verify(Some(&signed), Some("+1669872112"), TIME), Err(SignRefusal::BadTime));
        assert_eq!(format!("{token:?}"), "SigningToken(…)");
    }
}
