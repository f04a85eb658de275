//! What went wrong with TLS, in words and with a cure. The texts of the TLS library are names such as
//! `KeyMismatch`, which help nobody who has not read its source.

use std::{error::Error, io};

use tokio_rustls::rustls::{self, CertificateError, InvalidMessage, PeerIncompatible};

/// What an error of the TLS library says, if there is one in `error` or among its causes.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(explain_library(error));
        }
        // An error of input and output hides what it was made of, as long as it is asked for its source.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What is wrong, without a full stop.
fn explain_library(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::InconsistentKeys(_) => {
            "the key does not belong to the certificate; put in the key with which the certificate was requested"
                .to_owned()
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it speaks no TLS there: perhaps the address begins with http://".to_owned()
        }
        rustls::Error::InvalidMessage(_) => "what the other side sends is not TLS".to_owned(),
        rustls::Error::AlertReceived(alert) => {
            format!("the other side ended the TLS handshake (alert: {})", in_words(&format!("{alert:?}")))
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the server speaks only versions of TLS older than 1.2, which are refused".to_owned(),
        rustls::Error::PeerIncompatible(reason) => {
            format!("the two sides have nothing of TLS in common ({})", in_words(&format!("{reason:?}")))
        }
        rustls::Error::General(text) if text.contains("private key") => {
            "the key is of a kind that cannot be used; use an RSA, ECDSA (P-256, P-384) or Ed25519 key in PEM form".to_owned()
        }
        other => {
            let name = format!("{other:?}");
            let name = name.split(['(', '{', ' ']).next().unwrap_or_default();
            format!("the TLS handshake failed ({})", in_words(name))
        }
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    use CertificateError as Bad;
    let said = match error {
        Bad::UnknownIssuer => {
            "the certificate is of an authority that is not known: name the authority's certificate with --ca FILE"
        }
        Bad::Expired | Bad::ExpiredContext { .. } => {
            "the certificate has expired: it has to be renewed, or the clock of this machine is wrong"
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "the certificate is not valid yet: the clock of this machine may be wrong"
        }
        Bad::NotValidForName => "the certificate is for another name than the address has",
        Bad::NotValidForNameContext { presented, .. } => {
            return format!("the certificate is for another name than the address has{}", names(presented));
        }
        Bad::BadEncoding => "the certificate cannot be read: it is damaged, or not a certificate",
        Bad::BadSignature => {
            "the signature of the certificate is wrong: it was changed, or the file given with --ca is that of \
             another authority of the same name"
        }
        Bad::Revoked => "the certificate was revoked",
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
            "the certificate is not for servers: make one with the extended key usage serverAuth"
        }
        // The verifier's own errors have no type that can be named here.
        Bad::Other(other) => match other.0.to_string().as_str() {
            text if text.contains("CaUsedAsEndEntity") => {
                "the certificate is itself that of an authority: make one for the server (with openssl: -addext \
                 basicConstraints=critical,CA:FALSE)"
            }
            text if text.contains("UnsupportedCertVersion") => {
                "the certificate is of an old X.509 version: make one of version 3 (with openssl: it is made when an \
                 extension is given, such as -addext subjectAltName=DNS:chat.example.com)"
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

/// Which names a certificate has: `DnsName("a.example")` is `a.example`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    match presented {
        [] => " and has no name at all: make one with a subjectAltName".to_owned(),
        some => format!(": it is for {}", some.iter().take(5).map(plain).collect::<Vec<_>>().join(", ")),
    }
}

/// A name in a program as words: `HandshakeFailure` is `handshake failure`.
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
    fn no_name_of_a_program_is_left() {
        let other =
            |name: &'static str| CertificateError::Other(OtherError(Arc::new(io::Error::other(name))));
        for (error, said) in [
            (InconsistentKeys::KeyMismatch.into(), "the key does not belong to the certificate"),
            (CertificateError::UnknownIssuer.into(), "--ca FILE"),
            (CertificateError::Expired.into(), "has expired"),
            (other("UnsupportedCertVersion").into(), "of version 3"),
            (other("CaUsedAsEndEntity").into(), "itself that of an authority"),
            (other("PathLenConstraintViolated").into(), "(path len constraint violated)"),
            (rustls::Error::AlertReceived(AlertDescription::HandshakeFailure), "(alert: handshake failure)"),
            (rustls::Error::HandshakeNotComplete, "(handshake not complete)"),
            (InvalidMessage::InvalidContentType.into(), "speaks no TLS"),
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
            explain_certificate(&named),
            "the certificate is for another name than the address has: it is for b.example"
        );
        assert_eq!(explain(&io::Error::other("something else")), None);
    }
}
