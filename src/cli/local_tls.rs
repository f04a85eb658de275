//! `dev --tls-listen`: TLS with a certificate of the local authority.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::{
    domain::UnixSeconds,
    http::Bound,
    log_lines::log,
    tls::{AUTHORITY_NAME, LocalAuthority},
    unfinished::UnfinishedFile,
};

/// A TLS socket, and the authority that clients have to trust.
pub(super) struct LocalTls {
    bound: Bound,
    authority: LocalAuthority,
}

impl LocalTls {
    /// Binds an address next to the one for plain HTTP, with a new certificate.
    pub(super) fn bind(address: SocketAddr, plain: SocketAddr, now: UnixSeconds) -> anyhow::Result<LocalTls> {
        let authority = LocalAuthority::in_folder(&data_folder()?.join("ca"), now)?;
        if authority.has_replaced_another() {
            log!(CA_REPLACED[authority.certificate_file().display(), AUTHORITY_NAME]);
        }
        let certificates = authority.certificates(now)?;
        let bound = Bound::beside(address, &[plain]).with_context(|| {
            format!("cannot listen on {address}; choose another address with --tls-listen")
        })?;
        Ok(LocalTls { bound: bound.with_tls(certificates), authority })
    }

    /// Copies the authority's certificate to the data directory, for clients in other containers that share it.
    pub(super) fn copy_ca(&self, directory: &Path) -> anyhow::Result<()> {
        let file = directory.join("ca.pem");
        // The user did not choose this path, so do not follow a link there.
        let write = || {
            let mut new = UnfinishedFile::beside(&file)?;
            new.file().write_all(self.authority.certificate().as_bytes())?;
            new.rename(&file)
        };
        write().with_context(|| format!("cannot write {}", file.display()))
    }

    /// Returns the part of the greeting with the address, and how to make clients trust the authority.
    pub(super) fn greeting(&self) -> String {
        let ca = self.authority.certificate_file();
        let ca = ca.display();
        format!(
            "          and on https://{address}, for localhost and the official names, with the local CA\n  {ca}\n\
             To trust it (docs/clients.md has more):\n  \
               curl              --cacert {ca}\n  \
               Go, Rust, OpenSSL export SSL_CERT_FILE={ca}\n  \
               Python requests   export REQUESTS_CA_BUNDLE={ca}\n  \
               Node.js           export NODE_EXTRA_CA_CERTS={ca}\n  \
               PHP               php -d openssl.cafile={ca} -d curl.cainfo={ca}\n  \
               Java              keytool -importcert -noprompt -alias confold -file {ca} -keystore trust.p12 \
             -storetype PKCS12 -storepass changeit\n                    \
               java -Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit\n",
            address = self.address(),
        )
    }

    /// Returns the options that make curl trust the authority, and the address to call.
    pub(super) fn try_out(&self) -> (String, String) {
        let ca = self.authority.certificate_file();
        let port = self.bound.address().port();
        (format!("--cacert '{}' ", ca.display()), format!("https://localhost:{port}"))
    }

    /// Returns the address that the server listens on.
    pub(super) fn address(&self) -> SocketAddr {
        self.bound.address()
    }

    /// Returns the bound socket.
    pub(super) fn bound(&self) -> &Bound {
        &self.bound
    }

    pub(super) fn into_bound(self) -> Bound {
        self.bound
    }
}

/// Returns the folder for confold's data of this user.
fn data_folder() -> anyhow::Result<PathBuf> {
    let of_variable = |name, below: &str| {
        let folder = std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())?;
        Some(folder.join(below))
    };
    of_variable("XDG_DATA_HOME", "confold")
        .or_else(|| of_variable("HOME", ".local/share/confold"))
        .context("--tls-listen keeps its certificate authority in your data folder; set HOME or XDG_DATA_HOME to have one")
}
