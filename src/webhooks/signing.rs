//! Signatures of messages: those of Standard Webhooks, and those of Tencent Chat.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::settings::{Secret, Token};
use crate::vendor_sign;

/// Returns the header `webhook-signature`: one signature for each secret. `id`, `timestamp` and body are signed together,
/// so that none of them can be replaced.
pub(super) fn signatures(secrets: &[Secret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let sign = |secret: &Secret| {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// Returns the query parameter `Sign`: a hash of the token and the time, which is sent as `RequestTime`.
pub(super) fn vendor_sign(token: &Token, time: u64) -> String {
    vendor_sign::vendor_sign(token.as_str(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_signed_like_the_example_of_standard_webhooks() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, time, body) =
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#.as_slice());
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(std::slice::from_ref(&secret), id, time, body), expected);
        let other = Secret::parse(&format!("whsec_{}", STANDARD.encode([7; 24]))).unwrap();
        let both = signatures(&[secret, other.clone()], id, time, body);
        assert_eq!(both, format!("{expected} {}", signatures(&[other], id, time, body)));
        assert_eq!(signatures(&[], id, time, body), "");
    }

    #[test]
    fn messages_are_signed_like_the_example_of_tencent() {
        let token = Token::parse("xxxxyyyy").unwrap();
        assert_eq!(
            vendor_sign(&token, 1_669_872_112),
            "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
        );
    }

    #[test]
    fn a_refused_secret_is_not_shown() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqr!", &short, &long] {
            let said = Secret::parse(bad).unwrap_err();
            assert!(said.starts_with("must be whsec_") && !said.contains("MfKQ"), "{said}");
        }
        assert!(Token::parse("").is_err() && Token::parse(&"a".repeat(129)).is_err());
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?} {:?}", Token::parse("t0ken").unwrap()), "Secret(…) Token(…)");
    }
}
