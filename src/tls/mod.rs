//! TLS: the certificates a server shows, and the local authority that makes them for development.

mod certificates;
mod constraints;
mod error;
mod local_ca;
mod validity;
mod words;

pub use certificates::{CertificateState, Certificates};
pub use error::{CertificateError, Misfit};
pub use local_ca::{AUTHORITY_NAME, AuthorityError, LocalAuthority, OFFICIAL_NAMES};
pub use validity::{Doubt, Validity};
pub use words::explained;
