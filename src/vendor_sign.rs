//! The signature of Tencent Chat's webhooks: a hash of a token and the time. It proves knowledge of the token, and covers
//! neither the body nor the query.

use std::fmt::Display;

use sha2::{Digest, Sha256};

/// Returns the query parameter `Sign` for a time, which is sent as `RequestTime`.
#[must_use]
pub fn vendor_sign(token: &str, time: impl Display) -> String {
    let hash = Sha256::digest(format!("{token}{time}"));
    hash.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_signed_like_the_example_of_tencent() {
        assert_eq!(
            vendor_sign("xxxxyyyy", 1_669_872_112),
            "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
        );
    }
}
