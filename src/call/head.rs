//! Requests as values, independent of protocol and parser: a head, and a body that arrives piece by piece.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;

use super::small_bodies::SmallBodies;

/// A request without its body.
pub struct Head<'a> {
    /// The method, such as `POST`.
    pub method: &'a str,
    /// The path, exactly as it was sent.
    pub path: &'a str,
    /// The query string after the question mark, exactly as it was sent.
    pub query: Option<&'a str>,
    /// The host and port of a request target that contains them.
    pub authority: Option<&'a str>,
    /// The headers of the request.
    pub headers: &'a dyn Headers,
    /// The source address, from the socket or a trusted proxy.
    pub source: IpAddr,
    /// When it began, on the monotonic clock.
    pub started: Duration,
    /// The connection that carries it.
    pub connection: &'a dyn Connection,
}

/// A header that the pipeline uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The media types that the client accepts.
    Accept,
    /// The token of the controls, or of a reader of the feed.
    Authorization,
    /// How the body is compressed.
    ContentEncoding,
    /// The media type of the body.
    ContentType,
    /// Whether nothing that the call changes is to be kept.
    DryRun,
    /// The state that the owner must have.
    IfMatch,
    /// The key of an operation that the caller may repeat.
    IdempotencyKey,
    /// The host name by which the client addressed the server.
    Host,
    /// The last event that a reader of the feed has received.
    LastEventId,
    /// The web page that made a browser send the request.
    Origin,
    /// The headers that a web page wants to send, as a browser asks beforehand.
    RequestedHeaders,
    /// The id that the caller gave the request.
    RequestId,
    /// Whether the reply is to contain the state of the owner.
    State,
    /// Whether a page of another site made a browser send the request.
    FetchSite,
    /// The span that caused the request.
    TraceParent,
}

/// Access to the headers of a request, however the parser stores them.
pub trait Headers: Sync {
    /// Returns the first value of a header.
    fn first(&self, header: Header) -> Option<&[u8]>;

    /// Returns all values of a header, in their order.
    fn all(&self, header: Header) -> Vec<&[u8]>;

    /// Checks whether there is any header of confold's extensions, so that most calls need not look for each.
    fn ask_for_extensions(&self) -> bool;
}

/// What a call needs from its connection.
pub trait Connection: Sync {
    /// Records that the caller presented a valid signature or token.
    fn mark_signed(&self);

    /// Returns the counter of small bodies that are still arriving, if the connection carries several requests at
    /// once.
    fn small_bodies(&self) -> Option<&SmallBodies>;
}

/// The body of a request. It fails with [`Broken`] when it is incomplete or badly framed.
pub type Body<'a> = dyn http_body::Body<Data = Bytes, Error = Broken> + Send + Unpin + 'a;

/// The error of an incomplete or badly framed body.
#[derive(Debug, thiserror::Error)]
#[error("the body is incomplete or badly framed")]
pub struct Broken;

impl Head<'_> {
    /// Returns a header as text, if it is valid UTF-8.
    pub(super) fn text(&self, header: Header) -> Option<&str> {
        std::str::from_utf8(self.headers.first(header)?).ok()
    }

    /// Returns the token of the header `Authorization: Bearer TOKEN`. The name of the scheme may be in any case (RFC 9110,
    /// section 11.1).
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.text(Header::Authorization)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    }

    /// Returns whether the path belongs to the emulated service, so that its conventions for answers apply.
    pub(super) fn is_service(&self) -> bool {
        self.path.starts_with("/v4/") || self.path == "/"
    }
}
