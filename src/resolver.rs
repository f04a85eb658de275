//! Host name lookups with a time limit.
//!
//! The system's lookup may take minutes and cannot be cancelled, so it runs on its own thread. ureq's resolver does the
//! same, but panics if the thread cannot be started; this one returns an error.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
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

/// Looks up a host with a port, such as `localhost:8080`. An IP address with a port is returned as it is.
///
/// # Errors
/// Fails if the name cannot be found, if the lookup takes longer than `within` ([`io::ErrorKind::TimedOut`]), or if its
/// thread cannot be started.
pub fn look_up(host: &str, within: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let (found, wait) = mpsc::sync_channel(1);
    let host = host.to_owned();
    let look = move || {
        // Sending fails if the caller has timed out; the result is then not needed.
        let _ = found.send(host.to_socket_addrs().map(Iterator::collect));
    };
    start(look)?;
    wait.recv_timeout(within).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
            RecvTimeoutError::Disconnected => {
                io::Error::other("the thread that resolves the host name panicked")
            }
        })
    })
}

fn start(look: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let started = thread::Builder::new().name("resolver".to_owned()).spawn(look);
    let failed = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot start a thread to resolve the host name: {error}"))
    };
    started.map(drop).map_err(failed)
}

/// Returns an HTTP agent that looks up names with [`look_up`].
#[must_use]
pub fn agent(config: Config) -> Agent {
    agent_to(config, |_| true)
}

/// Like [`agent`], but connects only to addresses for which `admits` returns true. The addresses that were looked up are
/// those it connects to, so a name whose address changes in between does not lead elsewhere.
#[must_use]
pub fn agent_to(config: Config, admits: fn(IpAddr) -> bool) -> Agent {
    Agent::with_parts(config, DefaultConnector::default(), Bounded { admits })
}

/// The [`Resolver`] of ureq on top of [`look_up`].
#[derive(Debug)]
struct Bounded {
    admits: fn(IpAddr) -> bool,
}

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
        let (found, refused): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| (self.admits)(address.ip()));
        if let (true, Some(refused)) = (found.is_empty(), refused.first()) {
            let said = format!("the address {} is private, which is not allowed", refused.ip());
            return Err(Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, said)));
        }
        let mut addresses = self.empty();
        for address in config.ip_family().keep_wanted(found.into_iter()).take(MAX_ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// How many addresses of a name are tried: the capacity of ureq's [`ResolvedSocketAddrs`].
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
