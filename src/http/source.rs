//! Grouping of addresses into sources.

use std::net::{IpAddr, Ipv6Addr};

/// A group of addresses that count as one source. In IPv6 it is a /64, because one customer usually has a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl Source {
    /// Returns the source that an address belongs to.
    pub(super) fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}
