//! A request as a value, whichever protocol and parser it came by: its head, and a body that arrives piece by piece.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;

use super::small_bodies::SmallBodies;

/// Everything of a request but its body.
pub struct Head<'a> {
    /// `POST` and the like.
    pub method: &'a str,
    /// The path, as it was sent.
    pub path: &'a str,
    /// What follows the question mark, as it was sent.
    pub query: Option<&'a str>,
    /// The host and port of a target that names them.
    pub authority: Option<&'a str>,
    /// The headers that matter.
    pub headers: &'a dyn Headers,
    /// Where it comes from, as the socket or a trusted proxy says.
    pub source: IpAddr,
    /// When it began, by the monotonic clock.
    pub started: Duration,
    /// The connection that it came by.
    pub connection: &'a dyn Connection,
}

/// A header that something is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Which form of answer a browser prefers.
    Accept,
    /// The token of the controls.
    Authorization,
    /// How the body is compressed.
    ContentEncoding,
    /// By which name the server was called.
    Host,
    /// The web page that made a browser send the request.
    Origin,
    /// The id that the caller gives to the request.
    RequestId,
    /// Whether a page of another site made a browser send the request.
    FetchSite,
    /// The span that caused the request.
    TraceParent,
}

/// The headers of a request, wherever the parser keeps them.
pub trait Headers: Sync {
    /// The first value of a header.
    fn first(&self, header: Header) -> Option<&[u8]>;

    /// All values of a header, in their order.
    fn all(&self, header: Header) -> Vec<&[u8]>;
}

/// What a call has to do with the connection that it came by.
pub trait Connection: Sync {
    /// Notes that the caller has shown a good signature or token.
    fn mark_signed(&self);

    /// The small bodies that wait for their end, if the connection carries several requests at once.
    fn small_bodies(&self) -> Option<&SmallBodies>;
}

/// The body of a request. [`Broken`] ends one that breaks off or is badly framed.
pub type Body<'a> = dyn http_body::Body<Data = Bytes, Error = Broken> + Send + Unpin + 'a;

/// A body breaks off or is badly framed.
#[derive(Debug, thiserror::Error)]
#[error("the body breaks off or is badly framed")]
pub struct Broken;

impl Head<'_> {
    /// A header as a text, if it is one.
    pub(super) fn text(&self, header: Header) -> Option<&str> {
        std::str::from_utf8(self.headers.first(header)?).ok()
    }

    /// Whether the path is one of the service that this server stands for, so that its rules of answers hold.
    pub(super) fn is_service(&self) -> bool {
        self.path.starts_with("/v4/") || self.path == "/"
    }
}
