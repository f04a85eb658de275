//! Notes of `check-config` about the state of this machine, such as addresses in use. They are not errors, because most
//! often the running server is the cause, or the configuration is for another machine. The checks change nothing.

use std::{io, net::SocketAddr};

use crate::{
    config::Config,
    http::Bound,
    store::{is_in_use, is_read_only},
};

/// Returns a line for each reason why a server could not start or write now.
pub(super) fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let directory = config.store.directory.display();
    if is_read_only(&config.store) {
        notes.push(format!(
            "this user cannot write to the store in {directory}, so every change would be refused"
        ));
    }
    if is_in_use(&config.store) {
        notes.push(format!("the store in {directory} is in use by a running server"));
    }
    let all = [&config.listen[..], &config.tls_listen].concat();
    for (key, addresses) in [("listen", &config.listen), ("tls.listen", &config.tls_listen)] {
        for address in addresses.iter().filter(|address| address.port() != 0) {
            // Binding without listening does not affect other programs, and the address is released immediately.
            if let Err(error) = Bound::beside(*address, &all) {
                notes.push(format!("{key}: {address} {}", why(*address, &error)));
            }
        }
    }
    notes
}

fn why(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "is in use by a running program".to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            format!("cannot be used here, because this machine does not have the address {}", address.ip())
        }
        io::ErrorKind::PermissionDenied => {
            "cannot be used by this user: ports below 1024 need the capability CAP_NET_BIND_SERVICE"
                .to_owned()
        }
        _ => format!("cannot be used here: {error}"),
    }
}
