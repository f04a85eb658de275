//! The one way out: every answer is made here.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Frame, SizeHint},
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        CONTENT_TYPE, HeaderValue,
    },
};

use super::{interchange::Lines, pace::Working};
use crate::{
    api::Error,
    store::StoreError,
    wire::{Envelope, code::Code},
};

/// No answer: the connection is closed instead, or the stream reset. A fault rule wants it so.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault rule closed the connection")
    }
}

impl std::error::Error for Cut {}

/// The body of an answer.
pub(super) enum Body {
    /// Whole: so it carries a Content-Length.
    Whole(Full<Bytes>),
    /// As long as it takes.
    Lines(Lines),
}

impl Body {
    /// Keeps the request in work for as long as the body takes. One that is whole takes no time.
    pub(super) fn outlive(&mut self, working: Working) {
        if let Body::Lines(lines) = self {
            lines.keep(working);
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        match self.get_mut() {
            Body::Whole(whole) => Pin::new(whole).poll_frame(context).map_err(|never| match never {}),
            Body::Lines(lines) => lines.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(whole) => whole.is_end_stream(),
            Body::Lines(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(whole) => whole.size_hint(),
            Body::Lines(_) => SizeHint::default(),
        }
    }
}

/// A JSON answer; always status 200 (decision 22).
pub(super) fn json(reply: Vec<u8>) -> Response<Body> {
    with(StatusCode::OK, JSON, reply.into())
}

/// A JSON answer outside `/v4/`, with a status of its own.
pub(super) fn json_with(status: StatusCode, reply: Vec<u8>) -> Response<Body> {
    with(status, JSON, reply.into())
}

/// Lines of JSON, as many as there are.
pub(super) fn lines(lines: Lines) -> Response<Body> {
    let mut response = with(StatusCode::OK, "application/x-ndjson; charset=utf-8", Bytes::new());
    *response.body_mut() = Body::Lines(lines);
    response
}

/// No content, status 200: for HEAD, and for a browser's preflight.
pub(super) fn empty() -> Response<Body> {
    with(StatusCode::OK, JSON, Bytes::new())
}

/// A plain text, for health checks.
pub(super) fn text(status: StatusCode, said: &'static str) -> Response<Body> {
    with(status, "text/plain; charset=utf-8", Bytes::from_static(said.as_bytes()))
}

/// Metrics, in the text form of Prometheus.
pub(super) fn metrics(text: String) -> Response<Body> {
    with(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into())
}

/// What a browser sees at `/`.
pub(super) fn page() -> Response<Body> {
    with(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(include_bytes!("page.html")))
}

/// The whole answer, head included, to a request that is no HTTP, for this reason; the connection ends
/// with it.
pub(super) fn unparsable(why: &str) -> Vec<u8> {
    let said = Error::Http(why.to_owned()).to_string();
    let body = Envelope::fail(None, Code::HTTP, &said);
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\naccess-control-allow-origin: *\r\n\
         access-control-allow-headers: {ALLOWED_HEADERS}\r\naccess-control-allow-methods: POST\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

/// Content-Type is allowed because the official debugging page sends it across origins.
const ALLOWED_HEADERS: &str = "X-Requested-With, Content-Type";
const JSON: &str = "application/json; charset=utf-8";

fn with(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    // Room for these and those of hyper at once.
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // On every answer, as the service does.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    let mut response = Response::new(Body::Whole(Full::new(body)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
