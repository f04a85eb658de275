//! Sockets: an address is taken at once, but clients can connect only once the workers are ready.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use crate::tls::Certificates;

/// How many connections may wait to be accepted. The system takes the smaller one of this and its own limit
/// (net.core.somaxconn, 4,096 by default): many clients may connect at once after a restart.
const BACKLOG: i32 = 65_535;

/// A socket that has its address. Nobody can connect to it yet.
#[derive(Debug)]
pub struct Bound {
    /// It is asked for connections only when it listens.
    socket: TcpListener,
    address: SocketAddr,
    certificates: Option<Certificates>,
}

/// A socket to which clients connect.
#[derive(Debug)]
pub struct Listening {
    pub(super) socket: TcpListener,
    pub(super) certificates: Option<Certificates>,
}

impl Bound {
    /// Takes an address; with port 0 the system chooses a free one.
    ///
    /// # Errors
    /// Those of the system, above all that another program listens there.
    pub fn to(address: SocketAddr) -> io::Result<Bound> {
        Bound::beside(address, &[])
    }

    /// The same for an address among others that this server takes, too. `[::]` is all addresses of the machine, those
    /// of IPv4 included – unless one of the others is of IPv4 and has the same port: then it is all of IPv6.
    ///
    /// # Errors
    /// Those of the system, above all that another program listens there.
    pub fn beside(address: SocketAddr, others: &[SocketAddr]) -> io::Result<Bound> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        // Without it a server could not be started again for a minute after it had clients.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            let has_port = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
            let only = address.port() != 0 && others.iter().any(has_port);
            // Said in either case: what holds otherwise is a setting of the system.
            sockopt::set_ipv6_v6only(&socket, only)?;
        }
        net::bind(&socket, &address)?;
        let socket = TcpListener::from(socket);
        Ok(Bound { address: socket.local_addr()?, socket, certificates: None })
    }

    /// The same, speaking TLS.
    #[must_use]
    pub fn with_tls(self, certificates: Certificates) -> Bound {
        Bound { certificates: Some(certificates), ..self }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it shows of itself, if it speaks TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Lets clients connect.
    ///
    /// # Errors
    /// When another program has the same address and was faster to listen. The message names the address.
    pub fn listen(self) -> io::Result<Listening> {
        net::listen(&self.socket, BACKLOG).map_err(|error| {
            let error = io::Error::from(error);
            io::Error::new(error.kind(), format!("cannot listen on {}: {error}", self.address))
        })?;
        Ok(Listening { socket: self.socket, certificates: self.certificates })
    }
}

impl Listening {
    /// The same socket for one more thread. All threads accept from one queue, so an idle one takes the next
    /// connection; and, other than with `SO_REUSEPORT`, a second server on a taken port fails instead of getting half
    /// of the connections.
    ///
    /// # Errors
    /// Those of the system.
    pub fn share(&self) -> io::Result<Listening> {
        Ok(Listening { socket: self.socket.try_clone()?, certificates: self.certificates.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn clients_connect_only_when_a_socket_listens_and_only_one_may() {
        let first = Bound::to(([127, 0, 0, 1], 0).into()).unwrap();
        let address = first.address();
        assert_ne!(address.port(), 0);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // As long as nobody listens the system gives the address to several.
        let second = Bound::to(address).unwrap();
        let listening = first.listen().unwrap();
        let other = listening.share().unwrap();
        assert!(TcpStream::connect(address).is_ok());
        let error = second.listen().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
        assert_eq!(Bound::to(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((listening, other));
        assert!(Bound::to(address).unwrap().listen().is_ok(), "connections that have ended keep nobody out");
    }

    #[test]
    fn the_addresses_of_both_protocols_may_have_one_port() {
        let Ok(six) = Bound::to("[::]:0".parse().unwrap()) else { return };
        let port = six.address().port();
        assert!(!sockopt::ipv6_v6only(&six.socket).unwrap(), "alone it is for both");
        drop(six);
        let all: Vec<SocketAddr> =
            [format!("[::]:{port}"), format!("0.0.0.0:{port}")].map(|one| one.parse().unwrap()).into();
        for order in [[0, 1], [1, 0]] {
            // Another program may have taken the port meanwhile; then there is nothing to see.
            let bound = order.map(|at| Bound::beside(all[at], &all));
            let [Ok(one), Ok(other)] = bound else { continue };
            let (_one, _other) = (one.listen().unwrap(), other.listen().unwrap());
            for local in ["127.0.0.1", "::1"] {
                assert!(TcpStream::connect((local, port)).is_ok(), "{local}");
            }
        }
    }

    #[test]
    fn a_socket_of_ipv6_is_as_the_system_makes_them() {
        let Ok(standard) = TcpListener::bind("[::1]:0") else { return };
        let bound = Bound::to("[::1]:0".parse().unwrap()).unwrap();
        let only = |socket: &TcpListener| sockopt::ipv6_v6only(socket).unwrap();
        assert_eq!(only(&bound.socket), only(&standard));
        let flags = rustix::io::fcntl_getfd(&bound.socket).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}
