//! The validity period of a certificate, which rustls does not expose.

use std::fmt;

use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, Tag, tags};

use crate::domain::UnixSeconds;

/// The validity period of a certificate, inclusive on both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: UnixSeconds,
    /// The last second.
    pub not_after: UnixSeconds,
}

/// Why clients currently refuse a certificate. A server can still present it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidityProblem {
    /// The certificate expired this many seconds ago.
    Expired(u64),
    /// The certificate becomes valid in this many seconds.
    NotYetValid(u64),
}

impl Validity {
    /// Parses the validity of a DER certificate; `None` if it is not a certificate.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Option<Validity> {
        yasna::parse_der(certificate, |certificate| {
            certificate.read_sequence(|parts| {
                let validity = parts.next().read_sequence(|parts| {
                    // Version, serial number, algorithm and issuer come first.
                    parts.read_optional(|version| {
                        version.read_tagged(Tag::context(0), |version| version.read_u8())
                    })?;
                    for _ in 0..3 {
                        parts.next().read_der()?;
                    }
                    let validity = parts.next().read_sequence(|times| {
                        Ok(Validity { not_before: time(times.next())?, not_after: time(times.next())? })
                    })?;
                    while parts.read_optional(|part| part.read_der())?.is_some() {}
                    Ok(validity)
                })?;
                for _ in 0..2 {
                    parts.next().read_der()?;
                }
                Ok(validity)
            })
        })
        .ok()
    }

    /// Returns why a certificate with this validity is not valid at a time.
    #[must_use]
    pub fn problem_at(self, now: UnixSeconds) -> Option<ValidityProblem> {
        match now {
            early if early < self.not_before => Some(ValidityProblem::NotYetValid(self.not_before - now)),
            late if late > self.not_after => Some(ValidityProblem::Expired(now - self.not_after)),
            _ => None,
        }
    }
}

/// Parses a time, which is a `UTCTime` or a `GeneralizedTime`.
fn time(reader: BERReader<'_, '_>) -> ASN1Result<UnixSeconds> {
    let seconds = match reader.lookahead_tag()? {
        tags::TAG_UTCTIME => reader.read_utctime()?.datetime().unix_timestamp(),
        tags::TAG_GENERALIZEDTIME => reader.read_generalized_time()?.datetime().unix_timestamp(),
        _ => return Err(ASN1Error::new(ASN1ErrorKind::Invalid)),
    };
    // `UnixSeconds` cannot represent times before 1970, so they become 1970.
    Ok(u64::try_from(seconds).unwrap_or(0))
}

/// Continues a sentence that begins with "the certificate".
impl fmt::Display for ValidityProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValidityProblem::Expired(seconds) => {
                write!(f, "expired {} ago, so clients refuse it", span(*seconds))
            }
            ValidityProblem::NotYetValid(seconds) => {
                write!(f, "will not be valid for another {}, so clients refuse it until then", span(*seconds))
            }
        }
    }
}

/// Formats a time span in the largest unit of which it has at least two.
fn span(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

    use super::*;

    fn made(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        let validity = Validity::of(&made((2020, 1, 1), (2040, 6, 2))).unwrap();
        assert_eq!((validity.not_before, validity.not_after), (1_577_836_800, 2_222_208_000));
        // From 2050 on, certificates use GeneralizedTime.
        let validity = Validity::of(&made((1970, 1, 1), (2050, 1, 1))).unwrap();
        assert_eq!((validity.not_before, validity.not_after), (0, 2_524_608_000));
        assert_eq!(
            Validity::of(&made((1960, 1, 1), (1960, 1, 1))).unwrap(),
            Validity { not_before: 0, not_after: 0 }
        );
    }

    /// Made by `openssl req -x509 -utf8 -subj /CN=测试/O=x`, with an RSA key for a day and an elliptic one for a century.
    #[test]
    fn certificates_of_openssl_are_read() {
        let pem = include_str!("../../tests/fixtures/openssl_certificates.pem");
        let days = CertificateDer::pem_slice_iter(pem.as_bytes()).map(|certificate| {
            let validity = Validity::of(&certificate.unwrap()).unwrap();
            (validity.not_after - validity.not_before) / 86_400
        });
        assert_eq!(days.collect::<Vec<_>>(), [1, 36_500]);
    }

    #[test]
    fn a_validity_problem_names_the_time_span() {
        let validity = Validity { not_before: 1_000_000, not_after: 2_000_000 };
        assert_eq!((validity.problem_at(1_000_000), validity.problem_at(2_000_000)), (None, None));
        let said = |now| validity.problem_at(now).unwrap().to_string();
        assert_eq!(said(2_000_001), "expired 1 second ago, so clients refuse it");
        assert_eq!(said(2_000_000 + 86_400 * 3), "expired 3 days ago, so clients refuse it");
        assert_eq!(
            said(999_999 - 7_200),
            "will not be valid for another 2 hours, so clients refuse it until then"
        );
    }

    proptest! {
        /// Truncated or damaged certificates are parsed or refused, but never cause a panic.
        #[test]
        fn damaged_certificates_do_not_cause_a_panic(
            cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut certificate = made((2020, 1, 1), (2040, 6, 2));
            prop_assert_eq!(Validity::of(&certificate[..cut.index(certificate.len())]), None);
            prop_assert_eq!(Validity::of(&[&certificate[..], &[0]].concat()), None);
            let at = at.index(certificate.len());
            certificate[at] = byte;
            let _ = Validity::of(&certificate);
            prop_assert_eq!(Validity::of(&noise), None);
        }
    }
}
