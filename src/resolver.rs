//! Looking up the addresses of a name, in a bounded time.
//!
//! The system's look-up may take minutes and cannot be ended, so a thread of its own waits for it. ureq does the same, but
//! panics when the system has no thread to give; here that is an error like any other.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use ureq::{
    Agent, Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

/// The addresses of a host with a port, such as `localhost:8080`. An address is its own answer.
///
/// # Errors
/// Those of the look-up, [`io::ErrorKind::TimedOut`] when it takes too long, and that no thread can be started.
pub fn look_up(host: &str, within: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let (found, wait) = mpsc::sync_channel(1);
    let host = host.to_owned();
    let look = move || {
        // Nobody waits for it any more when it took too long.
        let _ = found.send(host.to_socket_addrs().map(Iterator::collect));
    };
    start(look)?;
    wait.recv_timeout(within).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
            RecvTimeoutError::Disconnected => io::Error::other("a look-up ended by a defect"),
        })
    })
}

fn start(look: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let started = thread::Builder::new().name("resolver".to_owned()).spawn(look);
    let said = |error: io::Error| {
        io::Error::new(error.kind(), format!("a thread that looks up a name cannot be started: {error}"))
    };
    started.map(drop).map_err(said)
}

/// An agent for requests that looks up names in this way.
#[must_use]
pub fn agent(config: Config) -> Agent {
    Agent::with_parts(config, DefaultConnector::default(), Bounded)
}

/// What ureq asks for addresses.
#[derive(Debug)]
struct Bounded;

impl Resolver for Bounded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (scheme, authority) = uri.scheme().zip(uri.authority()).ok_or(Error::HostNotFound)?;
        let host = DefaultResolver::host_and_port(scheme, authority).ok_or(Error::HostNotFound)?;
        let found = look_up(&host, *timeout.after).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
            _ => Error::Io(error),
        })?;
        let mut addresses = self.empty();
        for address in config.ip_family().keep_wanted(found.into_iter()).take(MAX_ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// How many addresses of a name are tried: as many as ureq has room for.
const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_looked_up() {
        let within = Duration::from_secs(60);
        assert_eq!(look_up("127.0.0.1:80", Duration::ZERO).unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(look_up("[::1]:80", Duration::ZERO).unwrap(), ["[::1]:80".parse().unwrap()]);
        assert!(look_up("127.1:80", within).unwrap().contains(&"127.0.0.1:80".parse().unwrap()));
        assert!(look_up("localhost", within).is_err(), "a port is needed");
    }
}
