//! A server's certificate and key, which can be replaced while the server runs.
//!
//! A replacement has to pass the same checks as the certificate at startup, except for the validity period. At
//! startup, a certificate that is not currently valid is used anyway, with a warning, because there is no other.
//! Later, such a certificate never replaces a valid one.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

use super::{
    CertificateError, ValidityProblem,
    pair::{FileContents, PairFiles, ParsedCertificate, read_chain},
};
use crate::{clock::Clock, domain::UnixSeconds, secret_file::Readers};

/// The certificate and key for new connections. Clones share the same certificate.
#[derive(Clone)]
pub struct Certificates {
    config: Arc<ServerConfig>,
    shown: Arc<CurrentCertificate>,
    files: Option<Arc<Files>>,
}

/// The certificate in use, which rustls asks for at each handshake.
#[derive(Debug)]
struct CurrentCertificate(RwLock<ParsedCertificate>);

/// The state of the certificate, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateState {
    /// The last second in which the certificate in use is valid.
    pub not_after: UnixSeconds,
    /// The number of times a new certificate was loaded from the files.
    pub reloaded: u64,
    /// The number of times the content of the files was refused.
    pub refused: u64,
    /// Whether the current content of the files was refused.
    pub refused_now: bool,
}

/// The files of a certificate and its key, and what they contained when they were last read.
struct Files {
    pair: PairFiles,
    clock: Clock,
    last_read: Mutex<LastRead>,
    reloaded: AtomicU64,
    refused: AtomicU64,
    refused_now: AtomicBool,
}

/// What was found when the files were last read.
#[derive(Default)]
struct LastRead {
    /// The content that is in use, or whose refusal was reported.
    settled: FileContents,
    /// Content that was refused once. It may have been read between the replacements of the two files, so it is
    /// checked again.
    suspect: Option<FileContents>,
    /// A certificate that was refused only for its validity period. It is used as soon as it becomes valid or the one
    /// in use becomes invalid.
    waiting: Option<ParsedCertificate>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().key)
    }
}

impl CurrentCertificate {
    fn now(&self) -> ParsedCertificate {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, next: ParsedCertificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl Certificates {
    /// Loads a certificate with its chain and its key from PEM files. `readers` limits who may have access to the key's file,
    /// and `clock` gives the time for checks of the validity period.
    ///
    /// # Errors
    /// Returns [`CertificateError`], if the files cannot be used.
    pub fn from_files(
        certificate: &Path,
        key: &Path,
        readers: Readers,
        clock: Clock,
    ) -> Result<Certificates, CertificateError> {
        let files = Files::new(PairFiles::new(certificate, key, readers), clock);
        let held = files.pair.read()?;
        let shown = files.pair.parse(&held)?;
        files.last_read.lock().unwrap_or_else(PoisonError::into_inner).settled = held;
        Ok(Certificates { files: Some(Arc::new(files)), ..Certificates::serving(shown) })
    }

    /// Checks the files as at startup. Returns why clients would refuse the certificate at this time, if they would.
    ///
    /// # Errors
    /// Returns the same errors as [`Certificates::from_files`].
    pub fn check_files(
        certificate: &Path,
        key: &Path,
        readers: Readers,
        now: UnixSeconds,
    ) -> Result<Option<ValidityProblem>, CertificateError> {
        let files = PairFiles::new(certificate, key, readers);
        Ok(files.parse(&files.read()?)?.validity.problem_at(now))
    }

    /// Checks only the certificate file, for use when the key cannot be read.
    ///
    /// # Errors
    /// Returns [`CertificateError`], if the file cannot be read or contains no certificate.
    pub fn check_chain(certificate: &Path) -> Result<(), CertificateError> {
        let unreadable = |source| CertificateError::Unreadable { file: certificate.to_owned(), source };
        read_chain(certificate, &fs::read(certificate).map_err(unreadable)?).map(drop)
    }

    /// Loads a certificate and its key from PEM texts in memory.
    pub(super) fn from_pem(certificate: &str, key: &str) -> Result<Certificates, CertificateError> {
        let files = PairFiles::new(Path::new("certificate"), Path::new("key"), Readers::Nobody);
        let shown = files.parse(&(certificate.into(), key.into()))?;
        Ok(Certificates::serving(shown))
    }

    fn serving(shown: ParsedCertificate) -> Certificates {
        let shown = Arc::new(CurrentCertificate(RwLock::new(shown)));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has suites for TLS 1.2 and 1.3");
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Resume sessions from tickets, which do not need memory in the server.
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Certificates { config: Arc::new(config), shown, files: None }
    }

    /// Reads the files again, and uses their content for new connections if it has changed. Returns whether the certificate
    /// was replaced. Content that cannot be used is refused only if the next call finds it unchanged, because the two files
    /// are not replaced at the same moment.
    ///
    /// # Errors
    /// Fails if the files cannot be used, or would replace a valid certificate with one that is not valid. The
    /// certificate in use stays. The same content is reported only once.
    pub fn refresh(&self) -> Result<bool, CertificateError> {
        let Some(files) = &self.files else { return Ok(false) };
        let mut last_read = files.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        // Treat files that cannot be read like empty ones, so that this is reported only once, too.
        let (held, read) = match files.pair.read() {
            Ok(held) => (held, Ok(())),
            Err(error) => (FileContents::default(), Err(error)),
        };
        if held == last_read.settled {
            last_read.suspect = None;
            return Ok(match last_read.waiting.take_if(|next| self.new_problem(next).is_none()) {
                Some(next) => self.apply(files, next),
                None => false,
            });
        }
        let next = read.and_then(|()| files.pair.parse(&held));
        let (error, waiting) = match next.map(|next| (self.new_problem(&next), next)) {
            Ok((None, next)) => {
                *last_read = LastRead { settled: held, ..LastRead::default() };
                return Ok(self.apply(files, next));
            }
            Ok((Some(problem), next)) => (
                CertificateError::NotValid { certificate: files.pair.certificate.clone(), problem },
                Some(next),
            ),
            Err(error) => (error, None),
        };
        if last_read.suspect.as_ref() != Some(&held) {
            last_read.suspect = Some(held);
            return Ok(false);
        }
        *last_read = LastRead { settled: held, suspect: None, waiting };
        files.refused.fetch_add(1, Ordering::Relaxed);
        files.refused_now.store(true, Ordering::Relaxed);
        Err(error)
    }

    /// Returns why a new certificate is not currently valid, unless the one in use is not valid either.
    fn new_problem(&self, next: &ParsedCertificate) -> Option<ValidityProblem> {
        let now = self.files.as_ref()?.clock.now();
        next.validity.problem_at(now).filter(|_| self.shown.now().validity.problem_at(now).is_none())
    }

    fn apply(&self, files: &Files, next: ParsedCertificate) -> bool {
        self.shown.replace(next);
        files.reloaded.fetch_add(1, Ordering::Relaxed);
        files.refused_now.store(false, Ordering::Relaxed);
        true
    }

    /// Returns why clients would refuse the certificate now, if they would and it comes from files.
    #[must_use]
    pub fn validity_problem(&self) -> Option<ValidityProblem> {
        self.shown.now().validity.problem_at(self.files.as_ref()?.clock.now())
    }

    /// Returns the state for metrics.
    #[must_use]
    pub fn state(&self) -> CertificateState {
        let count = |of: fn(&Files) -> &AtomicU64| {
            self.files.as_ref().map_or(0, |files| of(files).load(Ordering::Relaxed))
        };
        CertificateState {
            not_after: self.shown.now().validity.not_after,
            reloaded: count(|files| &files.reloaded),
            refused: count(|files| &files.refused),
            refused_now: self.files.as_ref().is_some_and(|files| files.refused_now.load(Ordering::Relaxed)),
        }
    }

    /// Returns the acceptor for TLS handshakes.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl Files {
    fn new(pair: PairFiles, clock: Clock) -> Files {
        Files {
            pair,
            clock,
            last_read: Mutex::default(),
            reloaded: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            refused_now: AtomicBool::new(false),
        }
    }
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
