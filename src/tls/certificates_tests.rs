use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;
use crate::{secret_file::SecretError, tls::Validity};

/// 2026-01-01.
const NOW: UnixSeconds = 1_767_225_600;
const DAY: UnixSeconds = 86_400;

/// A folder with a certificate and its key, and a frozen clock.
struct Site {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Site {
    fn new() -> Site {
        let clock = Clock::system();
        clock.freeze(Some(NOW));
        Site { folder: tempfile::tempdir().unwrap(), clock }
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("cert.pem"), self.folder.path().join("key.pem"))
    }

    /// Writes a certificate that is valid between two days of 2026 and returns the end of its validity.
    fn issue(&self, from: (u8, u8), until: (u8, u8)) -> UnixSeconds {
        let (pair, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
        (params.not_before, params.not_after) =
            (date_time_ymd(2026, from.0, from.1), date_time_ymd(2026, until.0, until.1));
        let certificate = params.self_signed(&pair).unwrap();
        let (file, key) = self.files();
        fs::write(file, certificate.pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        self.close(0o600);
        Validity::of(certificate.der()).unwrap().not_after
    }

    fn close(&self, mode: u32) {
        fs::set_permissions(self.files().1, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn show(&self) -> Certificates {
        let (certificate, key) = self.files();
        Certificates::from_files(&certificate, &key, Readers::Nobody, self.clock.clone()).unwrap()
    }
}

/// Refreshes twice, because errors are reported the second time. Returns the error, if there is one.
fn look(certificates: &Certificates) -> Option<String> {
    let looks = [certificates.refresh(), certificates.refresh()];
    looks.into_iter().find_map(Result::err).map(|error| error.to_string())
}

#[test]
fn a_certificate_that_is_not_valid_never_replaces_a_valid_one() {
    let site = Site::new();
    let good = site.issue((1, 1), (12, 1));
    let certificates = site.show();
    site.clock.freeze(Some(NOW + 100 * DAY));
    site.issue((1, 1), (2, 1));
    let said = look(&certificates).unwrap();
    assert!(said.contains("cert.pem expired 69 days ago"), "{said}");
    assert_eq!((certificates.state().not_after, certificates.state().refused_now), (good, true));
    assert_eq!(look(&certificates), None, "it is reported only once");
    // A certificate that becomes valid later is refused now and used from that time on.
    let next = site.issue((6, 1), (12, 1));
    assert!(look(&certificates).unwrap().contains("will not be valid for another 51 days"));
    assert_eq!(certificates.state().refused, 2);
    site.clock.freeze(Some(NOW + 151 * DAY));
    assert!(certificates.refresh().unwrap(), "only the time has changed");
    let state = certificates.state();
    assert_eq!((state.not_after, state.refused_now, state.reloaded), (next, false, 1));
}

#[test]
fn a_certificate_that_is_not_valid_is_used_if_there_is_no_better_one() {
    let site = Site::new();
    site.issue((6, 1), (7, 1));
    let certificates = site.show();
    assert!(matches!(certificates.validity_problem(), Some(ValidityProblem::NotYetValid(_))));
    let next = site.issue((5, 1), (7, 1));
    assert_eq!(look(&certificates), None);
    assert_eq!(certificates.state().not_after, next);
    // Once the certificate in use has expired, one that is not valid yet replaces it, because clients accept neither.
    let good = site.issue((1, 1), (2, 1));
    assert_eq!(look(&certificates), None);
    assert_eq!((certificates.state().not_after, certificates.validity_problem()), (good, None));
    let later = site.issue((8, 1), (9, 1));
    assert!(look(&certificates).unwrap().contains("will not be valid for another 212 days"));
    site.clock.freeze(Some(NOW + 40 * DAY));
    assert!(certificates.refresh().unwrap());
    assert_eq!(certificates.state().not_after, later);
}

#[test]
fn a_key_that_others_can_read_is_refused_until_they_cannot() {
    let site = Site::new();
    let good = site.issue((1, 1), (12, 1));
    let certificates = site.show();
    let next = site.issue((1, 1), (11, 1));
    site.close(0o644);
    let said = look(&certificates).unwrap();
    assert!(said.contains("can be read or changed by every user of this machine (mode 0644)"), "{said}");
    assert_eq!((certificates.state().not_after, certificates.state().refused), (good, 1));
    assert_eq!(look(&certificates), None);
    site.close(0o640);
    assert_eq!(look(&certificates), None);
    assert_eq!((certificates.state().not_after, certificates.state().refused_now), (next, false));
    // The same holds for the key in use, and at startup.
    site.close(0o604);
    assert!(look(&certificates).unwrap().contains("(mode 0604)"));
    assert_eq!(certificates.state().not_after, next);
    let (certificate, key) = site.files();
    assert!(matches!(
        Certificates::from_files(&certificate, &key, Readers::Nobody, site.clock.clone()),
        Err(CertificateError::Key(SecretError::Open { .. }))
    ));
}
