//! The one way out: every answer is made here.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        CONTENT_TYPE, HeaderValue,
    },
};

use crate::{
    api::Error,
    wire::{Envelope, code::Code},
};

/// The body of an answer, whole: so it always carries a Content-Length.
pub(super) type Body = Full<Bytes>;

/// A JSON answer; always status 200 (decision 22).
pub(super) fn json(reply: Vec<u8>) -> Response<Body> {
    with(StatusCode::OK, JSON, reply.into())
}

/// No content, status 200: for HEAD, and for a browser's preflight.
pub(super) fn empty() -> Response<Body> {
    with(StatusCode::OK, JSON, Bytes::new())
}

/// A plain text, for health checks.
pub(super) fn text(status: StatusCode, said: &'static str) -> Response<Body> {
    with(status, "text/plain; charset=utf-8", Bytes::from_static(said.as_bytes()))
}

/// What a browser sees at `/`.
pub(super) fn page() -> Response<Body> {
    with(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(include_bytes!("page.html")))
}

/// The whole answer, head included, to a request that is no HTTP; the connection ends with it.
pub(super) fn unparsable() -> Vec<u8> {
    let said = Error::Http("the head of the request cannot be read".to_owned()).to_string();
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
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
