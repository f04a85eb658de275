//! The one way out: every answer is made here.

use std::{
    borrow::Cow,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Frame, SizeHint},
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION,
        CONTENT_TYPE, HeaderValue,
    },
};

use super::{activity::InFlight, export_body::ExportBody};
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

/// An answer that is no call's, and whether it refuses what was asked.
pub(super) struct Answered {
    pub(super) response: Response<Body>,
    pub(super) is_refusal: bool,
}

impl Answered {
    /// What was asked for.
    pub(super) fn given(response: Response<Body>) -> Answered {
        Answered { response, is_refusal: false }
    }

    /// A refusal.
    pub(super) fn refused(response: Response<Body>) -> Answered {
        Answered { response, is_refusal: true }
    }
}

/// The body of an answer. It holds its request in work until all of it has been handed to the system.
pub(super) struct Body {
    content: Content,
    in_flight: Option<InFlight>,
}

enum Content {
    /// Bytes of the program itself, which cost no memory however many readers they have.
    Fixed(&'static [u8]),
    /// Made for this answer.
    Made(Vec<u8>),
    /// The same, counted as unsent until the last of them is gone.
    Counted(Bytes),
    /// As long as it takes.
    Export(ExportBody),
}

impl Body {
    /// Keeps the request in work for as long as the body takes, and counts its bytes as unsent.
    pub(super) fn keep(&mut self, in_flight: InFlight) {
        match &mut self.content {
            Content::Made(bytes) if !bytes.is_empty() => {
                self.content = Content::Counted(in_flight.with(std::mem::take(bytes)));
            }
            Content::Fixed(bytes) if !bytes.is_empty() => {
                self.content = Content::Counted(in_flight.with_fixed(bytes));
            }
            Content::Export(lines) => lines.keep(in_flight),
            _ => self.in_flight = Some(in_flight),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let bytes = match &mut self.get_mut().content {
            Content::Export(lines) => return lines.poll(context),
            Content::Fixed(bytes) => Bytes::from_static(std::mem::take(bytes)),
            Content::Made(bytes) => std::mem::take(bytes).into(),
            Content::Counted(bytes) => std::mem::take(bytes),
        };
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        let length = match &self.content {
            Content::Fixed(bytes) => bytes.len(),
            Content::Made(bytes) => bytes.len(),
            Content::Counted(bytes) => bytes.len(),
            Content::Export(_) => return SizeHint::default(),
        };
        SizeHint::with_exact(length as u64)
    }
}

/// A JSON answer below `/v4/` or at `/`; always status 200 (decision 22), and open to web pages.
pub(super) fn json(reply: Vec<u8>) -> Response<Body> {
    let mut response = with(StatusCode::OK, JSON, Content::Made(reply));
    open_to_pages(response.headers_mut());
    response
}

/// A JSON answer elsewhere, with a status of its own.
pub(super) fn json_with(status: StatusCode, reply: Vec<u8>) -> Response<Body> {
    with(status, JSON, Content::Made(reply))
}

/// A refusal outside `/v4/`, in the form of all others.
pub(super) fn failure(status: StatusCode, code: Code, said: &str) -> Response<Body> {
    json_with(status, Envelope::fail(None, code, said))
}

/// JSON that is part of the program.
pub(super) fn fixed_json(text: &'static str) -> Response<Body> {
    with(StatusCode::OK, JSON, Content::Fixed(text.as_bytes()))
}

/// Lines of JSON, as many as there are.
pub(super) fn lines(lines: ExportBody) -> Response<Body> {
    with(StatusCode::OK, "application/x-ndjson; charset=utf-8", Content::Export(lines))
}

/// No content, status 200: for HEAD, and for a browser's preflight.
pub(super) fn empty() -> Response<Body> {
    json(Vec::new())
}

/// A plain text, for health checks.
pub(super) fn text(status: StatusCode, said: impl Into<Cow<'static, str>>) -> Response<Body> {
    let content = match said.into() {
        Cow::Borrowed(said) => Content::Fixed(said.as_bytes()),
        Cow::Owned(said) => Content::Made(said.into_bytes()),
    };
    with(status, "text/plain; charset=utf-8", content)
}

/// Metrics, in the text form of Prometheus.
pub(super) fn metrics(text: String) -> Response<Body> {
    with(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Content::Made(text.into()))
}

/// What a browser sees at `/`, of an emulator or of any other server.
pub(super) fn page(is_emulator: bool) -> Response<Body> {
    const PAGE: &str = include_str!("page.html");
    const OF_EMULATOR: &str = concat!(
        include_str!("page.html"),
        "<p>This is an emulator (<code>confold dev</code>): <a href=\"/_dev/journal?Limit=20\"><code>/_dev/</code></a> shows what was \
         asked of it, sets its clock, resets it and lets calls fail (<code>docs/controls.md</code>).</p>\n"
    );
    let page = if is_emulator { OF_EMULATOR } else { PAGE };
    let mut response = with(StatusCode::OK, "text/html; charset=utf-8", Content::Fixed(page.as_bytes()));
    open_to_pages(response.headers_mut());
    response
}

/// Says in a header of the answer at `/` where a person finds more. Its body is that of the service, to the letter.
pub(super) fn pointing(mut response: Response<Body>, is_emulator: bool) -> Response<Body> {
    let said = match is_emulator {
        true => "GET /openapi.json describes the commands, /_dev/ has the controls; see docs/tour.md",
        false => "GET /openapi.json describes the commands; see docs/tour.md",
    };
    response.headers_mut().insert(super::record::HINT, HeaderValue::from_static(said));
    response
}

/// The answer to a call as it is given to a path that does not exist, outside `/v4/`: the same body with
/// status 404, so that a probe of a wrong path fails (decision 22).
pub(super) fn not_found(mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = StatusCode::NOT_FOUND;
    for header in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS] {
        response.headers_mut().remove(header);
    }
    response
}

/// Announces that the connection ends with this answer.
pub(super) fn close(response: &mut Response<Body>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// The whole answer, head included, to a request that is no HTTP, for this reason; the connection ends
/// with it.
pub(super) fn unparsable(why: &str) -> Vec<u8> {
    let open = format!(
        "access-control-allow-origin: *\r\naccess-control-allow-headers: {ALLOWED_HEADERS}\r\n\
         access-control-allow-methods: POST\r\n"
    );
    whole("200 OK", &open, why)
}

/// What the answer to plain HTTP says on a port that speaks TLS.
pub const SPEAKS_TLS: &str = "this port speaks TLS";

/// The same for plain HTTP on a port that speaks TLS.
pub(super) fn not_tls() -> Vec<u8> {
    whole("400 Bad Request", "", &format!("{SPEAKS_TLS}: the address begins with https://"))
}

fn whole(status: &str, headers: &str, why: &str) -> Vec<u8> {
    let body = Envelope::fail(None, Code::HTTP, &Error::Http(why.to_owned()).told().info);
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {JSON}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

/// Content-Type is allowed because the official debugging page sends it across origins.
const ALLOWED_HEADERS: &str = "X-Requested-With, Content-Type";
const JSON: &str = "application/json; charset=utf-8";

/// The headers that let pages of any origin read an answer, as the service sends them. What they open is
/// protected by a signature.
fn open_to_pages(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
}

fn with(status: StatusCode, content_type: &'static str, content: Content) -> Response<Body> {
    // Room for these and those of hyper at once.
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let mut response = Response::new(Body { content, in_flight: None });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
