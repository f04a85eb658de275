//! Why a certificate cannot be shown.

use std::{io, path::PathBuf};

use tokio_rustls::rustls::Error as Library;

use super::ValidityProblem;
use crate::{secret_file::SecretError, text_file::TextFileError};

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
    /// The key is encrypted.
    #[error(
        "the private key in {0} is protected by a password, which nobody can type when a server starts; write it without \
         one: openssl pkey -in {0} -out NEW_FILE"
    )]
    Encrypted(PathBuf),
    /// A file is in another encoding.
    #[error("{file} cannot be used: {reason}")]
    NotText {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: TextFileError,
    },
    /// The two do not belong together, or cannot be used.
    #[error("{certificate} and {key} cannot be used together: {reason}")]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of its key.
        key: PathBuf,
        /// Why.
        reason: PairError,
    },
    /// Clients would refuse the new one, and accept the one that is shown.
    #[error("the certificate in {certificate} {problem}")]
    NotValid {
        /// The file of the certificate.
        certificate: PathBuf,
        /// Why.
        problem: ValidityProblem,
    },
}

/// Why a certificate and a key cannot be used together: what the library for TLS finds, in words of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// They are of two pairs.
    #[error(
        "the certificate was made for another key; use the key that its request was signed with, or request a new \
         certificate for this key"
    )]
    KeyMismatch,
    /// It is of an old version.
    #[error(
        "the certificate is of version 1, which clients refuse; make one of version 3, which has the names of the \
         server in subjectAltName"
    )]
    OldVersion,
    /// The certificate is damaged.
    #[error("the first certificate in the file is damaged or incomplete; copy it again")]
    Damaged,
    /// The key is damaged, or of a kind that cannot be used.
    #[error(
        "the key is none that can be used; it is RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519"
    )]
    UnsupportedKey,
    /// Something else.
    #[error("they are no certificate of a server with its key")]
    Other,
}

impl From<&Library> for PairError {
    fn from(error: &Library) -> PairError {
        match error {
            Library::InconsistentKeys(_) => PairError::KeyMismatch,
            Library::General(_) => PairError::UnsupportedKey,
            // The library has no variant for it.
            Library::InvalidCertificate(inner) if format!("{inner:?}").contains("UnsupportedCertVersion") => {
                PairError::OldVersion
            }
            Library::InvalidCertificate(_) => PairError::Damaged,
            _ => PairError::Other,
        }
    }
}
