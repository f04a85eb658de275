//! Certificates of authorities that may issue the certificate of another server.

use std::{fs, path::Path, sync::Arc};

use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::CertificateError;
use crate::text_file;

/// The certificates in a file, each in its binary form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities(Arc<[Vec<u8>]>);

impl Authorities {
    /// Reads the certificates in a PEM file. There must be at least one, and each must be usable.
    ///
    /// # Errors
    /// Returns [`CertificateError`], which names the file.
    pub fn read(file: &Path) -> Result<Authorities, CertificateError> {
        let text = fs::read(file)
            .map_err(|source| CertificateError::Unreadable { file: file.to_owned(), source })?;
        let text = text_file::without_bom(&text)
            .map_err(|reason| CertificateError::NotText { file: file.to_owned(), reason })?;
        let found = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        let found = found.ok().filter(|found| !found.is_empty());
        let found = found.ok_or_else(|| CertificateError::NoCertificate(file.to_owned()))?;
        let mut store = RootCertStore::empty();
        for (place, certificate) in (1..).zip(&found) {
            let unusable = |_| CertificateError::Authority { file: file.to_owned(), place };
            store.add(certificate.clone()).map_err(unusable)?;
        }
        Ok(Authorities(found.iter().map(|certificate| certificate.to_vec()).collect()))
    }

    /// Returns the certificates in their binary form.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}
