//! Logs the startup of a server, in the same form for `dev` and `serve`, with its version, store, addresses and apps.

use std::path::{Path, PathBuf};

use crate::{domain::AppId, http::Bound, log::List, log_lines::log};

/// The parts of a server that its startup message describes.
pub(super) struct Started {
    store: PathBuf,
    listen: List,
    tls_listen: List,
    apps: List,
}

impl Started {
    /// Collects the parts for the message.
    pub(super) fn new<'a>(
        store: &Path,
        bound: impl IntoIterator<Item = &'a Bound>,
        apps: impl IntoIterator<Item = AppId>,
    ) -> Started {
        let (tls, plain): (Vec<&Bound>, Vec<&Bound>) =
            bound.into_iter().partition(|one| one.certificates().is_some());
        Started {
            store: std::path::absolute(store).unwrap_or_else(|_| store.to_owned()),
            listen: List::shown(plain.iter().map(|one| one.address())),
            tls_listen: List::shown(tls.iter().map(|one| one.address())),
            apps: List::of(apps.into_iter().map(AppId::number)),
        }
    }

    /// Logs the message. Called when clients can connect.
    pub(super) fn log(&self) {
        let Started { store, listen, tls_listen, apps } = self;
        let (version, store) = (env!("CARGO_PKG_VERSION"), store.display());
        log!(SERVING, version, %store, ?listen, ?tls_listen, ?apps);
    }
}
