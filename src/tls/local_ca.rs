//! A local certificate authority, so that clients which require `https://` can be tested without a certificate from a
//! public authority.
//!
//! It is created once per user and kept in their data folder. It can sign only for servers (extended key usage) and only
//! for this machine and the official names of the service (name constraints), and only its owner can read its key. An
//! authority made by an older version, with fewer limits, is replaced.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{CertificateError, Certificates, constraints};
use crate::{domain::UnixSeconds, private, unfinished::UnfinishedFolder};

/// The domain names of Tencent's service (REST overview, product 1047, document 34620), with those that its SDKs use as a
/// backup.
pub const OFFICIAL_NAMES: &[&str] = &[
    "console.tim.qq.com",
    "adminapi.my-imcloud.com",
    "adminapisgp.im.qcloud.com",
    "adminapisgp.my-imcloud.com",
    "adminapikr.im.qcloud.com",
    "adminapikr.my-imcloud.com",
    "adminapijpn.im.qcloud.com",
    "adminapijpn.my-imcloud.com",
    "adminapiger.im.qcloud.com",
    "adminapiger.my-imcloud.com",
    "adminapiusa.im.qcloud.com",
    "adminapiusa.my-imcloud.com",
    "adminapiidn.im.qcloud.com",
    "adminapiidn.my-imcloud.com",
    "adminapiksa.im.qcloud.com",
    "adminapiksa.my-imcloud.com",
    "adminapiind.im.qcloud.com",
    "adminapiind.my-imcloud.com",
];

/// The common name of the authority, by which users find it among the authorities that they trust.
pub const AUTHORITY_NAME: &str = "confold local CA (this machine only)";

const DAY: Duration = Duration::from_secs(86_400);
/// The validity period of the authority, in days: ten years, because users have to trust a new one by hand.
const CA_DAYS: u64 = 3_650;
/// The validity period of a server's certificate, in days. Some clients refuse certificates with a longer one.
const LEAF_DAYS: u64 = 397;

/// Why the local authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of the authority cannot be created or read.
    #[error("cannot use {file}")]
    File {
        /// The path of the file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is damaged, or other users can read the key.
    #[error("{file} cannot be used: {reason}; remove its folder to have a new authority created")]
    Damaged {
        /// The path of the file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate cannot be created.
    #[error("cannot create a certificate: {0}")]
    Signing(String),
    /// The new certificate cannot be used.
    #[error(transparent)]
    Unusable(#[from] CertificateError),
}

/// The local authority of this user.
#[derive(Debug)]
pub struct LocalAuthority {
    folder: PathBuf,
    key: KeyPair,
    certificate: String,
    replaced: bool,
}

impl LocalAuthority {
    /// Loads the authority in `folder`, creating it if there is none.
    ///
    /// # Errors
    /// Returns [`AuthorityError`].
    pub fn in_folder(folder: &Path, now: UnixSeconds) -> Result<LocalAuthority, AuthorityError> {
        let parent = folder.parent().unwrap_or(folder);
        private::make_folder(parent).map_err(|source| failed(parent, source))?;
        // If two servers start at the same time, only one of them may create or replace the authority.
        let turn = File::open(parent).map_err(|source| failed(parent, source))?;
        // Ignore errors: on file systems without locks, the second server keeps the authority that the first has created.
        let _ = turn.lock();
        if !folder.join("ca.pem").exists() {
            make(folder, now)?;
        }
        let authority = LocalAuthority::read(folder)?;
        if authority.is_limited() {
            return Ok(authority);
        }
        let old = UnfinishedFolder::new_in(parent, ".ca-old-").map_err(|source| failed(parent, source))?;
        fs::rename(folder, old.path()).map_err(|source| failed(folder, source))?;
        make(folder, now)?;
        // Remove the old key, too: with it certificates for any name could be signed.
        drop(old);
        Ok(LocalAuthority { replaced: true, ..LocalAuthority::read(folder)? })
    }

    /// Reads an existing authority.
    fn read(folder: &Path) -> Result<LocalAuthority, AuthorityError> {
        let (certificate, key) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        let read = |file: &Path| fs::read_to_string(file).map_err(|source| failed(file, source));
        let mode = fs::metadata(&key).map_err(|source| failed(&key, source))?.permissions().mode();
        if mode & 0o077 != 0 {
            let reason = format!("other users can read it (mode {:04o})", mode & 0o7777);
            return Err(AuthorityError::Damaged { file: key, reason });
        }
        let (certificate_text, key_text) = (read(&certificate)?, read(&key)?);
        let pair = KeyPair::from_pem(&key_text).map_err(|_| AuthorityError::Damaged {
            file: key,
            reason: "it contains no usable private key".to_owned(),
        })?;
        let der = CertificateDer::from_pem_slice(certificate_text.as_bytes()).ok();
        let own = pair.public_key_raw();
        if !der.is_some_and(|der| der.windows(own.len()).any(|part| part == own)) {
            let reason = "it is not the certificate of the key beside it".to_owned();
            return Err(AuthorityError::Damaged { file: certificate, reason });
        }
        Ok(LocalAuthority {
            folder: folder.to_owned(),
            key: pair,
            certificate: certificate_text,
            replaced: false,
        })
    }

    /// Returns whether the authority has the limits that new ones get.
    fn is_limited(&self) -> bool {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        der.is_ok_and(|der| constraints::are_in(&der))
    }

    /// Returns whether loading has replaced an authority of an older version, which clients may still trust.
    #[must_use]
    pub fn has_replaced_another(&self) -> bool {
        self.replaced
    }

    /// Returns the path of the authority's certificate.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Returns the authority's certificate as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a certificate for this machine and the official names. It is kept in memory only.
    ///
    /// # Errors
    /// Returns [`AuthorityError`].
    pub fn certificates(&self, now: UnixSeconds) -> Result<Certificates, AuthorityError> {
        let making = |error: rcgen::Error| AuthorityError::Signing(error.to_string());
        let mut params = CertificateParams::default();
        params.distinguished_name = called("confold dev");
        params.subject_alt_names = vec![
            SanType::DnsName("localhost".try_into().map_err(making)?),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for name in OFFICIAL_NAMES {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into().map_err(making)?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, LEAF_DAYS);
        let key = KeyPair::generate().map_err(making)?;
        let issuer = Issuer::new(authority(), &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(making)?;
        Ok(Certificates::from_pem(&certificate.pem(), &key.serialize_pem())?)
    }
}

/// Returns the parameters of the authority's own certificate.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = called(AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut names = CustomExtension::from_oid_content(constraints::OID, constraints::name_constraints());
    names.set_criticality(true);
    params.custom_extensions = vec![names];
    params
}

fn called(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Sets the validity: `days` from now, and from yesterday on, because the clocks of clients may be behind.
fn valid(params: &mut CertificateParams, now: UnixSeconds, days: u64) {
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
    params.not_before = now - DAY;
    params.not_after = now + DAY * u32::try_from(days).unwrap_or(u32::MAX);
}

/// Creates an authority in a temporary folder and renames that, so that the authority is never incomplete.
fn make(folder: &Path, now: UnixSeconds) -> Result<(), AuthorityError> {
    let making = |error: rcgen::Error| AuthorityError::Signing(error.to_string());
    let key = KeyPair::generate().map_err(making)?;
    let mut params = authority();
    valid(&mut params, now, CA_DAYS);
    let certificate = params.self_signed(&key).map_err(making)?;
    let parent = folder.parent().unwrap_or(folder);
    let new = UnfinishedFolder::new_in(parent, ".ca-").map_err(|source| failed(parent, source))?;
    write_private(&new.path().join("ca-key.pem"), &key.serialize_pem())?;
    write_private(&new.path().join("ca.pem"), &certificate.pem())?;
    match new.rename(folder) {
        // The rename fails if the folder exists and is not empty.
        Err(_) if folder.join("ca-key.pem").exists() && !folder.join("ca.pem").exists() => {
            let reason = "it is missing, but its key exists".to_owned();
            Err(AuthorityError::Damaged { file: folder.join("ca.pem"), reason })
        }
        Err(error) if !folder.join("ca.pem").exists() => Err(failed(folder, error)),
        _ => Ok(()),
    }
}

fn write_private(file: &Path, text: &str) -> Result<(), AuthorityError> {
    let written = private::create_file(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| failed(file, source))
}

fn failed(file: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File { file: file.to_owned(), source }
}
