//! What a server shows of itself: a certificate and its key, which may be replaced while it runs.
//!
//! A start and a replacement apply one check. They differ in one point: a certificate that is not valid at the time
//! is shown at a start, with a warning, because there is no other; it never replaces a good one.

use std::{
    fs,
    path::{Path, PathBuf},
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
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

use super::{CertificateError, Validity, ValidityProblem, error::PairError};
use crate::{
    clock::Clock,
    domain::UnixSeconds,
    secret_file::{Readers, read_private},
    text_file,
};

/// A certificate with its key, for every connection that begins now.
#[derive(Clone)]
pub struct Certificates {
    config: Arc<ServerConfig>,
    shown: Arc<CurrentCertificate>,
    files: Option<Arc<Files>>,
}

/// A certificate that can be shown.
#[derive(Clone, Debug)]
struct ParsedCertificate {
    key: Arc<CertifiedKey>,
    validity: Validity,
}

/// What is shown at present.
#[derive(Debug)]
struct CurrentCertificate(RwLock<ParsedCertificate>);

/// How a certificate is doing, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateState {
    /// The last second in which the one that is shown is valid.
    pub not_after: UnixSeconds,
    /// How often another one was reloaded from the files.
    pub reloaded: u64,
    /// How often what was in the files was refused.
    pub refused: u64,
    /// Whether what is in the files now was refused.
    pub refused_now: bool,
}

/// Where a certificate comes from, and what its files held when they were read last.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Who may be able to read the key.
    readers: Readers,
    clock: Clock,
    last_read: Mutex<LastRead>,
    reloaded: AtomicU64,
    refused: AtomicU64,
    refused_now: AtomicBool,
}

/// What two files hold.
type FileContents = (Vec<u8>, Vec<u8>);

/// What the files held when they were looked at.
#[derive(Default)]
struct LastRead {
    /// What is shown, or was complained of.
    settled: FileContents,
    /// What could not be used a moment ago: perhaps one file was replaced and the other is about to be.
    suspect: Option<FileContents>,
    /// What was refused for its validity alone: the time may come for it.
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
    /// Those in two PEM files: a certificate with its chain, and its key, which only these readers may be able to
    /// read. The clock says which are valid.
    ///
    /// # Errors
    /// [`CertificateError`], in words for the author of the configuration.
    pub fn from_files(
        certificate: &Path,
        key: &Path,
        readers: Readers,
        clock: Clock,
    ) -> Result<Certificates, CertificateError> {
        let files = Files::new(certificate, key, readers, clock);
        let held = files.read()?;
        let shown = files.parse(&held)?;
        files.last_read.lock().unwrap_or_else(PoisonError::into_inner).settled = held;
        Ok(Certificates { files: Some(Arc::new(files)), ..Certificates::serving(shown) })
    }

    /// Whether these files can be shown, and what clients will say of the certificate at this time.
    ///
    /// # Errors
    /// The same as a start with them.
    pub fn check_files(
        certificate: &Path,
        key: &Path,
        readers: Readers,
        now: UnixSeconds,
    ) -> Result<Option<ValidityProblem>, CertificateError> {
        let files = Files::new(certificate, key, readers, Clock::system());
        Ok(files.parse(&files.read()?)?.validity.problem_at(now))
    }

    /// Whether a file holds a certificate, when its key cannot be looked at.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn check_chain(certificate: &Path) -> Result<(), CertificateError> {
        let unreadable = |source| CertificateError::Unreadable { file: certificate.to_owned(), source };
        read_chain(certificate, &fs::read(certificate).map_err(unreadable)?).map(drop)
    }

    /// One that is in memory only, PEM texts.
    pub(super) fn from_pem(certificate: &str, key: &str) -> Result<Certificates, CertificateError> {
        let files = Files::new(Path::new("certificate"), Path::new("key"), Readers::Nobody, Clock::system());
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
        // Sessions are resumed from tickets, so that a server keeps none.
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Certificates { config: Arc::new(config), shown, files: None }
    }

    /// Reads the files again, and shows to new connections what has changed in them. Returns whether
    /// something had. What cannot be used is looked at once more before it is complained of, as two
    /// files are not replaced in one moment.
    ///
    /// # Errors
    /// When the files cannot be used, or would replace a certificate that is valid by one that is not; then what
    /// was shown before is shown further on. The same files are not complained of twice.
    pub fn refresh(&self) -> Result<bool, CertificateError> {
        let Some(files) = &self.files else { return Ok(false) };
        let mut last_read = files.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that cannot be read counts as empty.
        let (held, read) = match files.read() {
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
        let next = read.and_then(|()| files.parse(&held));
        let (error, waiting) = match next.map(|next| (self.new_problem(&next), next)) {
            Ok((None, next)) => {
                *last_read = LastRead { settled: held, ..LastRead::default() };
                return Ok(self.apply(files, next));
            }
            Ok((Some(problem), next)) => {
                (CertificateError::NotValid { certificate: files.certificate.clone(), problem }, Some(next))
            }
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

    /// What is wrong with one that would replace what is shown, unless the same is wrong with that.
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

    /// What clients say now of the certificate that is shown, if it comes from files.
    #[must_use]
    pub fn validity_problem(&self) -> Option<ValidityProblem> {
        self.shown.now().validity.problem_at(self.files.as_ref()?.clock.now())
    }

    /// How it is doing.
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

    /// What turns a socket into a TLS stream.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl Files {
    fn new(certificate: &Path, key: &Path, readers: Readers, clock: Clock) -> Files {
        Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            readers,
            clock,
            last_read: Mutex::default(),
            reloaded: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            refused_now: AtomicBool::new(false),
        }
    }

    fn read(&self) -> Result<FileContents, CertificateError> {
        let unreadable = |source| CertificateError::Unreadable { file: self.certificate.clone(), source };
        Ok((fs::read(&self.certificate).map_err(unreadable)?, read_private(&self.key, self.readers)?))
    }

    fn parse(&self, (certificate, key): &FileContents) -> Result<ParsedCertificate, CertificateError> {
        let chain = read_chain(&self.certificate, certificate)?;
        let validity = chain.first().and_then(|own| Validity::of(own));
        let key = read_key(&self.key, key)?;
        let unusable = |reason| CertificateError::Unusable {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            reason,
        };
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| unusable(PairError::from(&error)))?;
        let validity = validity.ok_or_else(|| unusable(PairError::Damaged))?;
        Ok(ParsedCertificate { key: Arc::new(key), validity })
    }
}

/// The certificates of a PEM text, at least one.
fn read_chain(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(without_bom(file, text)?).collect::<Result<Vec<_>, _>>();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::NoCertificate(file.to_owned()))
}

/// The private key of a PEM text.
fn read_key(file: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = without_bom(file, text)?;
    PrivateKeyDer::from_pem_slice(text).map_err(|_| {
        let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        match has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED") {
            true => CertificateError::Encrypted(file.to_owned()),
            false => CertificateError::NoKey(file.to_owned()),
        }
    })
}

fn without_bom<'a>(file: &Path, text: &'a [u8]) -> Result<&'a [u8], CertificateError> {
    let refused = |reason| CertificateError::NotText { file: file.to_owned(), reason };
    text_file::without_bom(text).map_err(refused)
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
