//! The errors of loading a certificate.

use std::{io, path::PathBuf};

use tokio_rustls::rustls::Error as Library;

use super::ValidityProblem;
use crate::{secret_file::SecretError, text_file::TextFileError};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The key cannot be read, or other users can read it.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The file contains no certificate.
    #[error("{0} contains no certificate in PEM form (a block that begins with -----BEGIN CERTIFICATE-----)")]
    NoCertificate(PathBuf),
    /// The file contains no key.
    #[error("{0} contains no private key in PEM form (a block that begins with -----BEGIN PRIVATE KEY-----)")]
    NoKey(PathBuf),
    /// The key is encrypted.
    #[error(
        "the private key in {0} is encrypted with a password, which a server cannot ask for; write it without one: openssl pkey -in {0} -out NEW_FILE"
    )]
    Encrypted(PathBuf),
    /// A file is not UTF-8.
    #[error("{file} cannot be used: {reason}")]
    NotText {
        /// The path of the file.
        file: PathBuf,
        /// What is wrong with the encoding.
        reason: TextFileError,
    },
    /// A certificate of an authority cannot be used.
    #[error("certificate {place} in {file} is damaged or incomplete; copy it again")]
    Authority {
        /// The path of the file.
        file: PathBuf,
        /// The place of the certificate in it, counted from 1.
        place: usize,
    },
    /// The certificate and its key do not match, or one of them cannot be used.
    #[error("{certificate} and {key} cannot be used together: {reason}")]
    Unusable {
        /// The path of the certificate.
        certificate: PathBuf,
        /// The path of the key.
        key: PathBuf,
        /// What is wrong.
        reason: PairError,
    },
    /// The new certificate is not currently valid, while the one in use is.
    #[error("the certificate in {certificate} {problem}")]
    NotValid {
        /// The path of the certificate.
        certificate: PathBuf,
        /// Why it is not valid.
        problem: ValidityProblem,
    },
}

/// Why a certificate and a key cannot be used together, from the checks of rustls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The key is not that of the certificate.
    #[error(
        "the certificate belongs to a different key; use the key with which it was requested, or request a new \
         certificate for this key"
    )]
    KeyMismatch,
    /// The certificate has X.509 version 1.
    #[error(
        "the certificate has X.509 version 1, which clients refuse; make one of version 3 with the names of the \
         server in subjectAltName"
    )]
    OldVersion,
    /// The certificate is damaged.
    #[error("the first certificate in the file is damaged or incomplete; copy it again")]
    Damaged,
    /// The key is damaged, or its type is not supported.
    #[error(
        "the key cannot be used; supported are RSA with 2048 bits or more, ECDSA with P-256 or P-384, and Ed25519"
    )]
    UnsupportedKey,
    /// Any other reason.
    #[error("they are not a server certificate and its key")]
    Other,
}

impl From<&Library> for PairError {
    fn from(error: &Library) -> PairError {
        match error {
            Library::InconsistentKeys(_) => PairError::KeyMismatch,
            Library::General(_) => PairError::UnsupportedKey,
            // rustls has no variant of its own for this.
            Library::InvalidCertificate(inner) if format!("{inner:?}").contains("UnsupportedCertVersion") => {
                PairError::OldVersion
            }
            Library::InvalidCertificate(_) => PairError::Damaged,
            _ => PairError::Other,
        }
    }
}
