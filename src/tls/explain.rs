//! Explanations of TLS errors, with a remedy. The library's own texts are variant names such as `KeyMismatch`, which do not
//! help users.

use std::{error::Error, io};

use tokio_rustls::rustls::{self, CertificateError, InvalidMessage, PeerIncompatible};

/// Explains the TLS error in `error` or among its sources, if there is one, to somebody who runs a tool.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    explain_with(error, "--ca FILE")
}

/// Like [`explain`], with the name of the setting or option that names the authority's certificate.
#[must_use]
pub fn explain_with(error: &(dyn Error + 'static), setting: &str) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(explain_library(error, setting));
        }
        // `source` of an `io::Error` skips the error that it wraps, so ask for that first.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Explains an error of rustls, without a full stop.
fn explain_library(error: &rustls::Error, setting: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error, setting),
        rustls::Error::InconsistentKeys(_) => {
            "the key does not belong to the certificate; use the key with which the certificate was requested"
                .to_owned()
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS on that port; perhaps the address has to begin with http://".to_owned()
        }
        rustls::Error::InvalidMessage(_) => "the other side sent something that is not TLS".to_owned(),
        rustls::Error::AlertReceived(alert) => {
            format!("the other side ended the TLS handshake (alert: {})", in_words(&format!("{alert:?}")))
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the server supports only TLS versions older than 1.2, which are refused".to_owned(),
        rustls::Error::PeerIncompatible(reason) => {
            format!("the two sides support no common TLS parameters ({})", in_words(&format!("{reason:?}")))
        }
        rustls::Error::General(text) if text.contains("private key") => {
            "the type of the key is not supported; use an RSA, ECDSA (P-256, P-384) or Ed25519 key in PEM form".to_owned()
        }
        other => {
            let name = format!("{other:?}");
            let name = name.split(['(', '{', ' ']).next().unwrap_or_default();
            format!("the TLS handshake failed ({})", in_words(name))
        }
    }
}

fn explain_certificate(error: &CertificateError, setting: &str) -> String {
    use CertificateError as Bad;
    let said = match error {
        Bad::UnknownIssuer => {
            return format!(
                "the certificate was issued by an unknown authority; name the authority's certificate with {setting}"
            );
        }
        Bad::Expired | Bad::ExpiredContext { .. } => {
            "the certificate has expired; renew it, or correct the clock of this machine if that is wrong"
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "the certificate is not valid yet; the clock of this machine may be wrong"
        }
        Bad::NotValidForName => "the certificate is not valid for the host name in the address",
        Bad::NotValidForNameContext { presented, .. } => {
            return format!(
                "the certificate is not valid for the host name in the address{}",
                names(presented)
            );
        }
        Bad::BadEncoding => "the certificate cannot be parsed; it is damaged, or not a certificate",
        Bad::BadSignature => {
            let option = setting.split(' ').next().unwrap_or_default();
            return format!(
                "the signature of the certificate is wrong; it was modified, or the file given with {option} belongs to \
                 another authority with the same name"
            );
        }
        Bad::Revoked => "the certificate was revoked",
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
            "the certificate is not for servers; make one with the extended key usage serverAuth"
        }
        // The types of these errors are private to the verifier.
        Bad::Other(other) => match other.0.to_string().as_str() {
            text if text.contains("CaUsedAsEndEntity") => {
                "the certificate is that of an authority; make one for the server (with openssl: -addext \
                 basicConstraints=critical,CA:FALSE)"
            }
            text if text.contains("UnsupportedCertVersion") => {
                "the certificate has an old X.509 version; make one of version 3 (with openssl: add an extension, such as \
                 -addext subjectAltName=DNS:chat.example.com)"
            }
            text => return format!("the certificate is refused ({})", in_words(text)),
        },
        other => {
            let name = format!("{other:?}");
            let name = name.split(['(', '{', ' ']).next().unwrap_or_default();
            return format!("the certificate is refused ({})", in_words(name));
        }
    };
    said.to_owned()
}

/// Continues a message with the names of a certificate. rustls formats them as `DnsName("a.example")`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    match presented {
        [] => "; it has no names at all, so make one with a subjectAltName".to_owned(),
        some => format!("; it is for {}", some.iter().take(5).map(plain).collect::<Vec<_>>().join(", ")),
    }
}

/// Splits an identifier into words: `HandshakeFailure` becomes `handshake failure`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_uppercase() && after_small {
            words.push(' ');
        }
        after_small = letter.is_lowercase() || letter.is_ascii_digit();
        words.extend(letter.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_rustls::rustls::{AlertDescription, InconsistentKeys, OtherError};

    use super::*;

    #[test]
    fn explanations_contain_no_identifiers_of_the_library() {
        let other =
            |name: &'static str| CertificateError::Other(OtherError(Arc::new(io::Error::other(name))));
        for (error, said) in [
            (InconsistentKeys::KeyMismatch.into(), "the key does not belong to the certificate"),
            (CertificateError::UnknownIssuer.into(), "--ca FILE"),
            (CertificateError::Expired.into(), "has expired"),
            (other("UnsupportedCertVersion").into(), "of version 3"),
            (other("CaUsedAsEndEntity").into(), "that of an authority"),
            (other("PathLenConstraintViolated").into(), "(path len constraint violated)"),
            (rustls::Error::AlertReceived(AlertDescription::HandshakeFailure), "(alert: handshake failure)"),
            (rustls::Error::HandshakeNotComplete, "(handshake not complete)"),
            (InvalidMessage::InvalidContentType.into(), "does not speak TLS"),
        ] {
            let found = explain(&io::Error::new(io::ErrorKind::InvalidData, error)).unwrap();
            assert!(found.contains(said), "{found}");
            let is_name = |word: &str| {
                word.chars().skip(1).any(char::is_uppercase) && word.chars().any(char::is_lowercase)
            };
            assert!(
                !found
                    .split([' ', '=', ':', ',', ';'])
                    .any(|word| is_name(word) && !word.starts_with("subject") && !word.starts_with("basic")),
                "{found}"
            );
        }
        let named = CertificateError::NotValidForNameContext {
            expected: "a.example".try_into().unwrap(),
            presented: vec!["DnsName(\"b.example\")".to_owned()],
        };
        assert_eq!(
            explain_certificate(&named, "--ca FILE"),
            "the certificate is not valid for the host name in the address; it is for b.example"
        );
        assert_eq!(explain(&io::Error::other("something else")), None);
    }
}
