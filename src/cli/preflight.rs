//! What `check-config` finds around a configuration: nothing of it is a mistake, because the server that runs now is the
//! most common cause, and another machine may be meant. Nothing is changed by looking.

use std::{io, net::SocketAddr};

use crate::{
    config::Config,
    http::Bound,
    store::{is_in_use, is_read_only},
};

/// What would keep a server from starting now, a line each.
pub(super) fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let directory = config.store.directory.display();
    if is_read_only(&config.store.directory) {
        notes.push(format!(
            "the store in {directory} can only be read by this user: every change would be refused"
        ));
    }
    if is_in_use(&config.store.directory) {
        notes.push(format!("the store in {directory} is in use: a server that has it is running"));
    }
    let all = [&config.listen[..], &config.tls_listen].concat();
    for (key, addresses) in [("listen", &config.listen), ("tls.listen", &config.tls_listen)] {
        for address in addresses.iter().filter(|address| address.port() != 0) {
            // An address that is taken and not listened at keeps nobody out, and is given back at once.
            if let Err(error) = Bound::beside(*address, &all) {
                notes.push(format!("{key}: {address} {}", why(*address, &error)));
            }
        }
    }
    notes
}

fn why(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "is in use: a program that listens there is running".to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            format!("cannot be used here: this machine has no address {}", address.ip())
        }
        io::ErrorKind::PermissionDenied => {
            "cannot be used by this user: ports below 1024 need a right of their own \
                                            (CAP_NET_BIND_SERVICE)"
                .to_owned()
        }
        _ => format!("cannot be used here: {error}"),
    }
}
