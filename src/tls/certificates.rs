//! What a server shows of itself: a certificate and its key, which may be replaced while it runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
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

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error("{0} holds no certificate in PEM form (a block that begins with -----BEGIN CERTIFICATE-----)")]
    NoCertificate(PathBuf),
    /// The file holds no key.
    #[error("{0} holds no private key in PEM form (a block that begins with -----BEGIN PRIVATE KEY-----)")]
    NoKey(PathBuf),
    /// The two do not belong together, or rustls cannot use them.
    #[error("{certificate} and {key} cannot be used together: {reason}")]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of its key.
        key: PathBuf,
        /// What rustls says.
        reason: String,
    },
}

/// A certificate with its key, for every connection that begins now.
#[derive(Clone)]
pub struct Certificates {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    files: Option<Arc<Files>>,
}

/// What is shown at present.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

/// Where a certificate comes from, and what its files held when they were read last.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: Mutex<Seen>,
}

/// What the files held when they were looked at.
#[derive(Default)]
struct Seen {
    /// What is shown, or was complained of.
    settled: (Vec<u8>, Vec<u8>),
    /// What could not be used a moment ago: perhaps one file was replaced and the other is about to be.
    doubted: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificates {
    /// Those in two PEM files: a certificate with its chain, and its key.
    ///
    /// # Errors
    /// [`CertificateError`], in words for whoever wrote the configuration.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Certificates, CertificateError> {
        let files =
            Files { certificate: certificate.to_owned(), key: key.to_owned(), seen: Mutex::default() };
        let held = files.read()?;
        let shown = files.certified(&held)?;
        files.seen.lock().unwrap_or_else(PoisonError::into_inner).settled = held;
        Ok(Certificates { files: Some(Arc::new(files)), ..Certificates::showing(shown) })
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
        let files = Files { certificate: "certificate".into(), key: "key".into(), seen: Mutex::default() };
        let shown = files.certified(&(certificate.into(), key.into()))?;
        Ok(Certificates::showing(shown))
    }

    fn showing(key: CertifiedKey) -> Certificates {
        let shown = Arc::new(Shown(RwLock::new(Arc::new(key))));
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

    /// Reads the files again, and shows to new connections what has changed in them. Tells whether
    /// something had. What cannot be used is looked at once more before it is complained of, as two
    /// files are not replaced in one moment.
    ///
    /// # Errors
    /// When the files cannot be used; then what was shown before is shown further on. The same files
    /// are not complained of twice.
    pub fn refresh(&self) -> Result<bool, CertificateError> {
        let Some(files) = &self.files else { return Ok(false) };
        let mut seen = files.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that cannot be read counts as empty.
        let (held, read) = match files.read() {
            Ok(held) => (held, Ok(())),
            Err(error) => (<(Vec<u8>, Vec<u8>)>::default(), Err(error)),
        };
        if held == seen.settled {
            seen.doubted = None;
            return Ok(false);
        }
        match read.and_then(|()| files.certified(&held)) {
            Ok(next) => {
                *seen = Seen { settled: held, doubted: None };
                *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
                Ok(true)
            }
            Err(error) if seen.doubted.as_ref() == Some(&held) => {
                *seen = Seen { settled: held, doubted: None };
                Err(error)
            }
            Err(_) => {
                seen.doubted = Some(held);
                Ok(false)
            }
        }
    }

    /// What turns a socket into a TLS stream.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl Files {
    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
        let read = |file: &Path| {
            fs::read(file).map_err(|source| CertificateError::Unreadable { file: file.to_owned(), source })
        };
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    fn certified(&self, (certificate, key): &(Vec<u8>, Vec<u8>)) -> Result<CertifiedKey, CertificateError> {
        let chain = read_chain(&self.certificate, certificate)?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey(self.key.clone()))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
            CertificateError::Unusable {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                reason: error.to_string(),
            }
        })
    }
}

/// The certificates of a PEM text, at least one.
fn read_chain(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::NoCertificate(file.to_owned()))
}
