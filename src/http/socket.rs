//! Listening sockets. Binding reserves the address early, but clients can connect only once the workers are ready.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use crate::tls::Certificates;

/// How many connections may wait to be accepted. The value is large because many clients may connect at once after a
/// restart; the operating system caps it at its own limit (net.core.somaxconn, 4,096 by default).
const BACKLOG: i32 = 65_535;

/// A socket that is bound to its address but does not accept connections yet.
#[derive(Debug)]
pub struct Bound {
    /// The bound socket, which does not listen yet despite its type.
    socket: TcpListener,
    address: SocketAddr,
    certificates: Option<Certificates>,
}

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listening {
    pub(super) socket: TcpListener,
    pub(super) certificates: Option<Certificates>,
}

impl Bound {
    /// Binds to an address. With port 0 the system chooses a free one.
    ///
    /// # Errors
    /// Returns the system's error, usually because another program listens on the address.
    pub fn to(address: SocketAddr) -> io::Result<Bound> {
        Bound::beside(address, &[])
    }

    /// Binds to an address when this server also binds to `others`. `[::]` covers all addresses of the machine,
    /// including those of IPv4, unless one of the others is an IPv4 address with the same port: then it covers IPv6
    /// only.
    ///
    /// # Errors
    /// Returns the system's error, usually because another program listens on the address.
    pub fn beside(address: SocketAddr, others: &[SocketAddr]) -> io::Result<Bound> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        // Without this option, the server could not be restarted for a minute after it had clients.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            let has_port = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
            let only = address.port() != 0 && others.iter().any(has_port);
            // Set in either case, because the default is a setting of the operating system.
            sockopt::set_ipv6_v6only(&socket, only)?;
        }
        net::bind(&socket, &address)?;
        let socket = TcpListener::from(socket);
        Ok(Bound { address: socket.local_addr()?, socket, certificates: None })
    }

    /// Returns the same socket with TLS.
    #[must_use]
    pub fn with_tls(self, certificates: Certificates) -> Bound {
        Bound { certificates: Some(certificates), ..self }
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the certificates, if the socket uses TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Lets clients connect.
    ///
    /// # Errors
    /// Fails when another program began to listen on the same address first. The message contains the address.
    pub fn listen(self) -> io::Result<Listening> {
        net::listen(&self.socket, BACKLOG).map_err(|error| {
            let error = io::Error::from(error);
            io::Error::new(error.kind(), format!("cannot listen on {}: {error}", self.address))
        })?;
        Ok(Listening { socket: self.socket, certificates: self.certificates })
    }
}

impl Listening {
    /// Returns the same socket for one more thread. All threads accept from one queue, so an idle one takes the next
    /// connection. With `SO_REUSEPORT`, a second server on the same port would get half of the connections; without
    /// it, the second server fails to start.
    ///
    /// # Errors
    /// Returns the system's error.
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
        // Until one of them listens, the system allows several sockets on one address.
        let second = Bound::to(address).unwrap();
        let listening = first.listen().unwrap();
        let other = listening.share().unwrap();
        assert!(TcpStream::connect(address).is_ok());
        let error = second.listen().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
        assert_eq!(Bound::to(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((listening, other));
        assert!(
            Bound::to(address).unwrap().listen().is_ok(),
            "closed connections should not block the address"
        );
    }

    #[test]
    fn ipv4_and_ipv6_addresses_may_share_a_port() {
        let Ok(six) = Bound::to("[::]:0".parse().unwrap()) else { return };
        let port = six.address().port();
        assert!(
            !sockopt::ipv6_v6only(&six.socket).unwrap(),
            "without an IPv4 address on the same port, it covers both protocols"
        );
        drop(six);
        let all: Vec<SocketAddr> =
            [format!("[::]:{port}"), format!("0.0.0.0:{port}")].map(|one| one.parse().unwrap()).into();
        for order in [[0, 1], [1, 0]] {
            // Another program may have taken the port meanwhile, which makes the check impossible.
            let bound = order.map(|at| Bound::beside(all[at], &all));
            let [Ok(one), Ok(other)] = bound else { continue };
            let (_one, _other) = (one.listen().unwrap(), other.listen().unwrap());
            for local in ["127.0.0.1", "::1"] {
                assert!(TcpStream::connect((local, port)).is_ok(), "{local}");
            }
        }
    }

    #[test]
    fn an_ipv6_socket_has_the_system_defaults() {
        let Ok(standard) = TcpListener::bind("[::1]:0") else { return };
        let bound = Bound::to("[::1]:0".parse().unwrap()).unwrap();
        let only = |socket: &TcpListener| sockopt::ipv6_v6only(socket).unwrap();
        assert_eq!(only(&bound.socket), only(&standard));
        let flags = rustix::io::fcntl_getfd(&bound.socket).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}
