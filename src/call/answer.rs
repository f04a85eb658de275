//! Answers as values that any protocol can send. All of them are created here.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    api::{DRY_RUN, IDEMPOTENCY_KEY, STATE},
    clock::Clock,
    store::StoreError,
    wire::{Envelope, code::Code},
};

/// An answer: what a protocol has to send, and what it has to know about the request's body.
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub content: Content,
    /// Whether web pages of any origin may read it.
    pub open_to_pages: bool,
    /// Additional headers.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// How much of the request's body was read.
    pub rest: Rest,
    /// Whether it refuses the request.
    pub(super) is_refusal: bool,
}

/// The status of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
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
    /// Static bytes, which take no memory no matter how many clients read them.
    Fixed(&'static [u8]),
    /// Bytes that were produced for this answer.
    Made(Vec<u8>),
    /// A stream of pieces.
    Stream(Box<dyn Pieces>),
}

/// A body that is produced while it is sent.
pub trait Pieces: Send {
    /// Returns the next piece, or `None` after the last one. After an error the body breaks off, so that a client does
    /// not take it for complete.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, StoreError>>>;

    /// Announces that the server stops. A finite stream may continue to its end within the time that the stop allows;
    /// an endless one has to end now.
    fn stop(&mut self) {}

    /// Returns whether the stream has nothing to send at the moment, for as long as that may take. The client is not slow
    /// then.
    fn waits(&self) -> bool {
        false
    }

    /// Returns whether the memory for pieces that have not been sent is limited by the number of such streams. It does not
    /// count towards the memory for all other answers then, and a stream with such pieces is not ended to free memory.
    fn has_own_limit(&self) -> bool {
        false
    }

    /// Returns where to add the time that sending the stream takes, if that is to be measured.
    fn sending_time(&self) -> Option<&Arc<SendingTime>> {
        None
    }
}

/// The time that sending certain streams has taken, on all threads together.
#[derive(Debug)]
pub struct SendingTime {
    clock: Clock,
    nanoseconds: AtomicU64,
}

impl Default for SendingTime {
    fn default() -> SendingTime {
        SendingTime { clock: Clock::system(), nanoseconds: AtomicU64::new(0) }
    }
}

impl SendingTime {
    /// Runs `work`, which sends a part of a stream, and adds the time that it takes.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = self.clock.elapsed();
        let done = work();
        self.add(self.clock.elapsed().saturating_sub(began));
        done
    }

    /// Adds time.
    pub(super) fn add(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(time, Ordering::Relaxed);
    }

    /// Returns the time so far.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

/// How much of a request's body was read. A connection has to know this before it can carry another request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// The body was read completely.
    Read,
    /// A part of it may be unread; it may also have been read completely.
    Unread,
    /// Like `Unread`, but the body may be a large file.
    UnreadLines,
    /// Reading it failed or was abandoned.
    #[default]
    Broken,
}

/// A fault rule drops the answer: the connection is closed, or the stream reset, instead.
#[derive(Debug, thiserror::Error)]
#[error("a fault rule closed the connection")]
pub struct Cut;

/// The header that carries the id of a request, in requests and answers.
pub const REQUEST_ID: &str = "x-request-id";
/// The header with confold's explanation of an error when the reply contains the original service's text (decision
/// 29).
const HINT: &str = "x-confold-hint";
/// The headers that web pages of other origins may send. Content-Type is among them because the vendor's debugging
/// page sends it.
pub const ALLOWED_HEADERS: &str = "X-Requested-With, Content-Type";
/// The headers of confold's extensions, which web pages may send as well, if they ask for them.
pub(super) const EXTENSION_HEADERS: [&str; 4] = [DRY_RUN, STATE, IDEMPOTENCY_KEY, "if-match"];
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

    /// Creates a JSON answer below `/v4/` or at `/`. Its status is always 200 (decision 22), and any web page may read
    /// it, because access is protected by a signature.
    pub(super) fn json(reply: Vec<u8>) -> Answer {
        Answer { open_to_pages: true, ..Answer::json_with(Status::Ok, reply) }
    }

    /// Creates a JSON answer for any other path, with an ordinary status.
    pub(super) fn json_with(status: Status, reply: Vec<u8>) -> Answer {
        Answer::new(status, JSON, Content::Made(reply))
    }

    /// Creates a refusal outside `/v4/`, with the same JSON fields as every refusal.
    pub(super) fn failure(status: Status, code: Code, said: &str) -> Answer {
        Answer::json_with(status, Envelope::fail(None, code, said)).refusing()
    }

    /// Creates an answer that another server has made.
    pub(super) fn forwarded(content_type: Option<String>, body: Vec<u8>) -> Answer {
        let answer = Answer::json_with(Status::Ok, body);
        match content_type {
            Some(content_type) => answer.with("content-type", content_type),
            None => answer,
        }
    }

    /// Creates an answer from static JSON.
    pub(super) fn fixed_json(text: &'static str) -> Answer {
        Answer::new(Status::Ok, JSON, Content::Fixed(text.as_bytes()))
    }

    /// Creates an answer that streams lines of JSON.
    pub(super) fn lines(lines: impl Pieces + 'static) -> Answer {
        Answer::stream("application/x-ndjson; charset=utf-8", lines)
    }

    /// Creates an answer that streams something else.
    pub(super) fn stream(content_type: &'static str, pieces: impl Pieces + 'static) -> Answer {
        Answer::new(Status::Ok, content_type, Content::Stream(Box::new(pieces)))
    }

    /// Creates an answer with status 200 and no content, for HEAD and for a browser's preflight.
    pub(super) fn empty() -> Answer {
        Answer::json(Vec::new())
    }

    /// Creates a plain-text answer, such as those of health checks.
    pub(super) fn text(status: Status, said: impl Into<Cow<'static, str>>) -> Answer {
        let content = match said.into() {
            Cow::Borrowed(said) => Content::Fixed(said.as_bytes()),
            Cow::Owned(said) => Content::Made(said.into_bytes()),
        };
        Answer::new(status, "text/plain; charset=utf-8", content)
    }

    /// Creates an answer with metrics in the text format of Prometheus.
    pub(super) fn metrics(text: String) -> Answer {
        Answer::new(Status::Ok, "text/plain; version=0.0.4; charset=utf-8", Content::Made(text.into()))
    }

    /// Creates the page that a browser gets at `/`, for an emulator or any other server.
    pub(super) fn page(is_emulator: bool) -> Answer {
        const PAGE: &str = include_str!("page.html");
        const OF_EMULATOR: &str = concat!(
            include_str!("page.html"),
            "<p>This is an emulator (<code>confold dev</code>): <a href=\"/_dev/journal?Limit=20\"><code>/_dev/</code></a> shows the \
         calls it received, sets its clock, resets it and makes calls fail (<code>docs/controls.md</code>).</p>\n"
        );
        let page = if is_emulator { OF_EMULATOR } else { PAGE };
        let page = Answer::new(Status::Ok, "text/html; charset=utf-8", Content::Fixed(page.as_bytes()));
        Answer { open_to_pages: true, ..page }
    }

    /// Marks the answer as a refusal.
    pub(super) fn refusing(self) -> Answer {
        Answer { is_refusal: true, ..self }
    }

    /// Turns the answer to a call into the answer for an unknown path outside `/v4/`: the same body with status 404,
    /// so that a probe of a wrong path fails (decision 22).
    pub(super) fn not_found(self) -> Answer {
        Answer { status: Status::NotFound, open_to_pages: false, ..self }
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// Allows web pages to send these headers, in addition to those that they may always send.
    pub(super) fn allowing_headers(self, names: &[&str]) -> Answer {
        let allowed = format!("{ALLOWED_HEADERS}, {}", names.join(", "));
        self.with("access-control-allow-headers", allowed)
    }

    /// Adds a header with a hint for people. The body stays exactly that of the original service.
    pub(super) fn hinting(self, hint: impl Into<Cow<'static, str>>) -> Answer {
        self.with(HINT, hint)
    }
}

impl Content {
    /// Returns the number of bytes, if it is known.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        match self {
            Content::Fixed(bytes) => Some(bytes.len()),
            Content::Made(bytes) => Some(bytes.len()),
            Content::Stream(_) => None,
        }
    }
}
