//! Parsers for the values of options of `confold dev`.

use crate::{auth::Network, call::is_host_name};

/// The largest page size.
const LARGEST_PAGE: usize = 10_000;

/// Parses a switch.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Parses a page size.
pub(super) fn page_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
    size.ok_or_else(|| format!("must be a number from 1 to {LARGEST_PAGE}"))
}

/// Parses a network.
pub(super) fn network(text: &str) -> Result<Network, String> {
    Network::parse(text).ok_or_else(|| "must be an IP address or a network such as 10.0.0.0/8".to_owned())
}

/// Parses a host name.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let cure = "must be a host name without a scheme, port or wildcard, such as chat.test";
    is_host_name(text).then(|| text.to_owned()).ok_or_else(|| cure.to_owned())
}
