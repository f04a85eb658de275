//! Why a certificate cannot be shown.

use std::{io, path::PathBuf};

use super::Doubt;
use crate::secret_file::SecretError;

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
    /// Others can read the key, or it cannot be read.
    #[error(transparent)]
    Key(#[from] SecretError),
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
        /// Why, in words.
        reason: String,
    },
    /// Clients would refuse the new one, and accept the one that is shown.
    #[error("the certificate in {certificate} {doubt}")]
    Doubtful {
        /// The file of the certificate.
        certificate: PathBuf,
        /// Why.
        doubt: Doubt,
    },
}
