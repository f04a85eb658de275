//! `dev --tls-listen`: TLS by the authority of this user on this machine.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::{
    domain::UnixSeconds,
    http::Bound,
    tls::{AUTHORITY_NAME, LocalAuthority},
    unfinished::UnfinishedFile,
};

/// A socket for TLS, and the authority that its clients have to trust.
pub(super) struct LocalTls {
    bound: Bound,
    authority: LocalAuthority,
}

impl LocalTls {
    /// Takes an address beside that of plain HTTP, with a certificate made now.
    pub(super) fn bind(address: SocketAddr, plain: SocketAddr, now: UnixSeconds) -> anyhow::Result<LocalTls> {
        let authority = LocalAuthority::in_folder(&data_folder()?.join("ca"), now)?;
        if authority.has_replaced_another() {
            tracing::warn!(
                "the local CA that an older version of confold had made could sign for too much, so there is a new \
                 one: let clients that keep a copy trust {} instead, and remove the old \"{AUTHORITY_NAME}\" from \
                 where they keep it",
                authority.certificate_file().display()
            );
        }
        let certificates = authority.certificates(now)?;
        let bound = Bound::beside(address, &[plain]).with_context(|| {
            format!("cannot listen on {address}; choose another address with --tls-listen")
        })?;
        Ok(LocalTls { bound: bound.with_tls(certificates), authority })
    }

    /// Puts the certificate of the authority where others who use the data can find it.
    pub(super) fn copy_ca(&self, directory: &Path) -> anyhow::Result<()> {
        let file = directory.join("ca.pem");
        // Nobody has named this file, so a link in its place is not followed.
        let write = || {
            let mut new = UnfinishedFile::beside(&file)?;
            new.file().write_all(self.authority.certificate().as_bytes())?;
            new.rename(&file)
        };
        write().with_context(|| format!("cannot write {}", file.display()))
    }

    /// Where it listens, and how clients come to trust it.
    pub(super) fn greeting(&self) -> String {
        let ca = self.authority.certificate_file();
        let ca = ca.display();
        format!(
            "          and on https://{address}, as localhost or by an official name, with the local CA\n  {ca}\n\
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

    /// How curl comes to trust it, and the address to call.
    pub(super) fn try_out(&self) -> (String, String) {
        let ca = self.authority.certificate_file();
        let port = self.bound.address().port();
        (format!("--cacert '{}' ", ca.display()), format!("https://localhost:{port}"))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.bound.address()
    }

    /// What it listens on.
    pub(super) fn bound(&self) -> &Bound {
        &self.bound
    }

    pub(super) fn into_bound(self) -> Bound {
        self.bound
    }
}

/// Where this user's data of this program is kept.
fn data_folder() -> anyhow::Result<PathBuf> {
    let of_variable = |name, below: &str| {
        let folder = std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())?;
        Some(folder.join(below))
    };
    of_variable("XDG_DATA_HOME", "confold")
        .or_else(|| of_variable("HOME", ".local/share/confold"))
        .context("--tls-listen keeps its authority in your data folder: set HOME, or XDG_DATA_HOME")
}
