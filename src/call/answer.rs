//! Every answer is made here, as a value that a protocol can send.

use std::{
    borrow::Cow,
    task::{Context, Poll},
};

use crate::{
    store::StoreError,
    wire::{Envelope, code::Code},
};

/// An answer: what a protocol has to send, and what it has to know of the request.
pub struct Answer {
    /// Its status.
    pub status: Status,
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub content: Content,
    /// Whether pages of any origin may read it.
    pub open_to_pages: bool,
    /// Further headers.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// What became of the body of the request.
    pub rest: Rest,
    /// Whether it refuses what was asked for.
    pub(super) is_refusal: bool,
}

/// The status of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Status {
    Ok = 200,
    BadRequest = 400,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    TooLarge = 413,
    Unavailable = 503,
}

/// The body of an answer: bytes, or a stream of them.
pub enum Content {
    /// Bytes of the program itself, which take no memory however many readers they have.
    Fixed(&'static [u8]),
    /// Bytes that were made for this answer.
    Made(Vec<u8>),
    /// Pieces, as many as there are.
    Stream(Box<dyn Pieces>),
}

/// A body that is made while it is sent.
pub trait Pieces: Send {
    /// The next piece; nothing when there are no more. After an error the body breaks off, so that nobody takes it for
    /// complete.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, StoreError>>>;

    /// The server stops. A stream that has an end of its own may go on to it, as far as the time of the stop allows;
    /// one without an end has to end now.
    fn stop(&mut self) {}
}

/// What became of the body of a request, for a connection that may carry another one after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// It was read to its end.
    Read,
    /// Nobody has asked for it, or it may be at its end.
    Unread,
    /// The same, and it may be a large file.
    UnreadLines,
    /// It was given up half way.
    #[default]
    Broken,
}

/// No answer: the connection is closed instead, or the stream reset. A fault rule wants it so.
#[derive(Debug, thiserror::Error)]
#[error("a fault rule closed the connection")]
pub struct Cut;

/// The header that carries the id of a request, both ways.
pub const REQUEST_ID: &str = "x-request-id";
/// The header that carries what confold says of an error where the text of the reply is the vendor's (decision 29).
const HINT: &str = "x-confold-hint";
/// The headers that pages of other origins may send. Content-Type is among them because the official debugging page
/// sends it across origins.
pub const ALLOWED_HEADERS: &str = "X-Requested-With, Content-Type";
/// The media type of JSON.
pub const JSON: &str = "application/json; charset=utf-8";

impl Answer {
    fn new(status: Status, content_type: &'static str, content: Content) -> Answer {
        Answer {
            status,
            content_type,
            content,
            open_to_pages: false,
            headers: Vec::new(),
            rest: Rest::Unread,
            is_refusal: false,
        }
    }

    /// A JSON answer below `/v4/` or at `/`; always status 200 (decision 22), and open to web pages. What it opens is
    /// protected by a signature.
    pub(super) fn json(reply: Vec<u8>) -> Answer {
        Answer { open_to_pages: true, ..Answer::json_with(Status::Ok, reply) }
    }

    /// A JSON answer elsewhere, with a status of its own.
    pub(super) fn json_with(status: Status, reply: Vec<u8>) -> Answer {
        Answer::new(status, JSON, Content::Made(reply))
    }

    /// A refusal outside `/v4/`, in the form of all others.
    pub(super) fn failure(status: Status, code: Code, said: &str) -> Answer {
        Answer::json_with(status, Envelope::fail(None, code, said)).refusing()
    }

    /// JSON that is part of the program.
    pub(super) fn fixed_json(text: &'static str) -> Answer {
        Answer::new(Status::Ok, JSON, Content::Fixed(text.as_bytes()))
    }

    /// Lines of JSON, as many as there are.
    pub(super) fn lines(lines: impl Pieces + 'static) -> Answer {
        Answer::new(Status::Ok, "application/x-ndjson; charset=utf-8", Content::Stream(Box::new(lines)))
    }

    /// No content, status 200: for HEAD, and for a browser's preflight.
    pub(super) fn empty() -> Answer {
        Answer::json(Vec::new())
    }

    /// A plain text, for health checks.
    pub(super) fn text(status: Status, said: impl Into<Cow<'static, str>>) -> Answer {
        let content = match said.into() {
            Cow::Borrowed(said) => Content::Fixed(said.as_bytes()),
            Cow::Owned(said) => Content::Made(said.into_bytes()),
        };
        Answer::new(status, "text/plain; charset=utf-8", content)
    }

    /// Metrics, in the text form of Prometheus.
    pub(super) fn metrics(text: String) -> Answer {
        Answer::new(Status::Ok, "text/plain; version=0.0.4; charset=utf-8", Content::Made(text.into()))
    }

    /// What a browser sees at `/`, of an emulator or of any other server.
    pub(super) fn page(is_emulator: bool) -> Answer {
        const PAGE: &str = include_str!("page.html");
        const OF_EMULATOR: &str = concat!(
            include_str!("page.html"),
            "<p>This is an emulator (<code>confold dev</code>): <a href=\"/_dev/journal?Limit=20\"><code>/_dev/</code></a> shows what was \
         asked of it, sets its clock, resets it and lets calls fail (<code>docs/controls.md</code>).</p>\n"
        );
        let page = if is_emulator { OF_EMULATOR } else { PAGE };
        let page = Answer::new(Status::Ok, "text/html; charset=utf-8", Content::Fixed(page.as_bytes()));
        Answer { open_to_pages: true, ..page }
    }

    /// The same answer as a refusal.
    pub(super) fn refusing(self) -> Answer {
        Answer { is_refusal: true, ..self }
    }

    /// The answer to a call as it is given to a path that does not exist, outside `/v4/`: the same body with status
    /// 404, so that a probe of a wrong path fails (decision 22).
    pub(super) fn not_found(self) -> Answer {
        Answer { status: Status::NotFound, open_to_pages: false, ..self }
    }

    /// The same answer with one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// The same answer, with a header that says what a person does next. The body is that of the service, to the
    /// letter.
    pub(super) fn hinting(self, hint: impl Into<Cow<'static, str>>) -> Answer {
        self.with(HINT, hint)
    }
}

impl Content {
    /// How many bytes it has, if that is known.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        match self {
            Content::Fixed(bytes) => Some(bytes.len()),
            Content::Made(bytes) => Some(bytes.len()),
            Content::Stream(_) => None,
        }
    }
}
