//! The files of a certificate and its key, and what they contain.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{CertificateError, Validity, error::PairError};
use crate::{
    secret_file::{Readers, read_private},
    text_file,
};

/// The files of a certificate and its key.
pub(super) struct PairFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// Which users may have access to the file of the key.
    pub(super) readers: Readers,
}

/// The contents of the certificate's and the key's file.
pub(super) type FileContents = (Vec<u8>, Vec<u8>);

/// A certificate that has passed all checks except for its validity period.
#[derive(Clone, Debug)]
pub(super) struct ParsedCertificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Validity,
}

impl PairFiles {
    pub(super) fn new(certificate: &Path, key: &Path, readers: Readers) -> PairFiles {
        PairFiles { certificate: certificate.to_owned(), key: key.to_owned(), readers }
    }

    /// Reads both files.
    pub(super) fn read(&self) -> Result<FileContents, CertificateError> {
        let unreadable = |source| CertificateError::Unreadable { file: self.certificate.clone(), source };
        Ok((fs::read(&self.certificate).map_err(unreadable)?, read_private(&self.key, self.readers)?))
    }

    /// Parses what the files contain.
    pub(super) fn parse(
        &self,
        (certificate, key): &FileContents,
    ) -> Result<ParsedCertificate, CertificateError> {
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

/// Parses the certificates in a PEM text; there must be at least one.
pub(super) fn read_chain(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(without_bom(file, text)?).collect::<Result<Vec<_>, _>>();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::NoCertificate(file.to_owned()))
}

/// Parses the private key in a PEM text.
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
