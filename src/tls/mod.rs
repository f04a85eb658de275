//! TLS: the certificates a server shows, and the local authority that makes them for development.

mod certificates;
mod constraints;
mod local_ca;

pub use certificates::{CertificateError, Certificates};
pub use local_ca::{AUTHORITY_NAME, AuthorityError, LocalAuthority, OFFICIAL_NAMES};
