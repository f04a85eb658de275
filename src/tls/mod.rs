//! TLS: server certificates that can be replaced at run time, and a local certificate authority for development.

mod authorities;
mod certificates;
mod constraints;
mod error;
mod explain;
mod local_ca;
mod pair;
mod validity;

pub use authorities::Authorities;
pub use certificates::{CertificateState, Certificates};
pub use error::{CertificateError, PairError};
pub use explain::{explain, explain_with};
pub use local_ca::{AUTHORITY_NAME, AuthorityError, LocalAuthority, OFFICIAL_NAMES};
pub use validity::{Validity, ValidityProblem};
