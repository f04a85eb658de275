//! Passes hyper's requests to the pipeline of calls, and its answers back.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Request, Response, Version,
    body::{Body, Frame, Incoming, SizeHint},
    header::{
        ACCEPT, ACCESS_CONTROL_REQUEST_HEADERS, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST,
        HeaderName, IF_MATCH, ORIGIN,
    },
};
use tokio::sync::watch;

use super::{
    activity::Activity,
    in_flight::InFlight,
    limits::HttpLimits,
    outgoing::{Outgoing, respond},
    overload::no_room,
    place::Place,
    registry::Registry,
    sources::Proxies,
    unsent::Unsent,
};
use crate::api::{DRY_RUN, IDEMPOTENCY_KEY, STATE};
use crate::call::{
    Broken, Connection, Cut, Head, Header, Headers, Pipeline, REQUEST_ID, Rest, SmallBodies, drain,
};

/// How much of a refused request's body is read and discarded before the answer, and for how long. If a small body has
/// already arrived, the connection can be reused; the limits keep a refused client from making the server wait.
const DRAINED: (usize, Duration) = (64 * 1024, Duration::from_millis(100));
/// Like [`DRAINED`], but for HTTP/2, where common clients report an error if the answer arrives before they have sent
/// the whole body.
const DRAINED_HTTP2: (usize, Duration) = (8 << 20, Duration::from_secs(1));
/// Like [`DRAINED_HTTP2`], but for bodies of lines, because imported files are large.
const DRAINED_LINES: (usize, Duration) = (64 << 20, Duration::from_secs(2));

/// The state that all connections share.
pub struct HttpService {
    pub(super) pipeline: Pipeline,
    pub(super) limits: HttpLimits,
    /// The open connections.
    pub(super) registry: Arc<Registry>,
    /// The bytes of answers that clients have not read yet.
    unsent: Arc<Unsent>,
    pub(super) proxies: Proxies,
}

impl HttpService {
    /// Creates the service. `proxies` may name the source of a connection or request.
    #[must_use]
    pub fn new(pipeline: Pipeline, limits: HttpLimits, proxies: Proxies) -> Arc<HttpService> {
        let unsent = Arc::new(Unsent::new(limits.unsent_bytes));
        let registry = Registry::new(limits.connections, Arc::clone(&unsent));
        let connections = Arc::clone(&registry);
        pipeline.count_connections(move || connections.counts());
        Arc::new(HttpService { pipeline, limits, registry, unsent, proxies })
    }

    /// Returns the pipeline that requests go through.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Writes summarized log lines and, while memory is tight, closes connections of clients that do not read. Called
    /// about once a second.
    pub fn housekeep(&self) {
        self.pipeline.housekeep();
        self.registry.shed_slow_readers(self.pipeline.clock().elapsed(), false);
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Returns [`Cut`] when a fault rule drops the answer.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        place: &Place,
        in_flight: InFlight,
        stop: &watch::Receiver<bool>,
    ) -> Result<Response<Outgoing>, Cut> {
        let (started, activity) = (self.pipeline.clock().elapsed(), &*place.activity);
        activity.touch(started);
        let (parts, body) = request.into_parts();
        let mut body = Received(body);
        let forwarded = activity.forwards.then(|| self.proxies.forwarded(&parts.headers)).flatten();
        let is_http2 = parts.version == Version::HTTP_2;
        let head = Head {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            authority: parts.uri.authority().map(|authority| authority.as_str()),
            headers: &Fields(&parts.headers),
            source: forwarded.unwrap_or(activity.peer),
            started,
            connection: &Link { activity, is_http2 },
        };
        let is_scarce = activity.is_probe() || forwarded.is_some() || self.unsent.is_full();
        let refusal = if is_scarce {
            let (within, clock) = (self.limits.answer_within, self.pipeline.clock());
            Box::pin(no_room(place, head.path, forwarded, within, clock)).await
        } else {
            None
        };
        let answer = match refusal {
            None => self.pipeline.answer(&head, &mut body).await?,
            Some(said) => self.pipeline.no_room(&head, &said),
        };
        let closes = match answer.rest {
            Rest::Read => false,
            rest => Box::pin(settle(rest, &mut body, is_http2, activity)).await,
        };
        Ok(respond(answer, closes, in_flight, stop))
    }
}

/// Deals with the unread rest of a request's body. Returns whether the connection has to end.
async fn settle(rest: Rest, body: &mut Received, is_http2: bool, activity: &Activity) -> bool {
    if is_http2 {
        if rest == Rest::UnreadLines {
            drain(body, DRAINED_LINES).await;
        }
        drain(body, DRAINED_HTTP2).await;
        return activity.is_probe();
    }
    let is_read = rest != Rest::Broken && drain(body, DRAINED).await;
    if !is_read {
        // The rest of the body would be parsed as the next request.
        activity.leave_unread();
    }
    // A connection beyond the limit is allowed one request.
    !is_read || activity.is_probe()
}

/// A connection as the pipeline sees it.
struct Link<'a> {
    activity: &'a Activity,
    is_http2: bool,
}

impl Connection for Link<'_> {
    fn mark_signed(&self) {
        self.activity.mark_signed();
    }

    fn small_bodies(&self) -> Option<&SmallBodies> {
        self.is_http2.then_some(&self.activity.small_bodies)
    }
}

/// The headers of a request, in hyper's representation.
struct Fields<'a>(&'a HeaderMap);

impl Headers for Fields<'_> {
    fn first(&self, header: Header) -> Option<&[u8]> {
        self.0.get(name_of(header)).map(|value| value.as_bytes())
    }

    fn all(&self, header: Header) -> Vec<&[u8]> {
        self.0.get_all(name_of(header)).iter().map(|value| value.as_bytes()).collect()
    }

    fn ask_for_extensions(&self) -> bool {
        self.0.keys().any(|name| {
            let name = name.as_str();
            name == IF_MATCH.as_str() || name == IDEMPOTENCY_KEY || name.starts_with("x-confold-")
        })
    }
}

fn name_of(header: Header) -> &'static HeaderName {
    static DRY_RUN_NAME: HeaderName = HeaderName::from_static(DRY_RUN);
    static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    static ID: HeaderName = HeaderName::from_static(REQUEST_ID);
    static KEY_NAME: HeaderName = HeaderName::from_static(IDEMPOTENCY_KEY);
    static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
    static STATE_NAME: HeaderName = HeaderName::from_static(STATE);
    static TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
    match header {
        Header::Accept => &ACCEPT,
        Header::Authorization => &AUTHORIZATION,
        Header::ContentEncoding => &CONTENT_ENCODING,
        Header::ContentType => &CONTENT_TYPE,
        Header::DryRun => &DRY_RUN_NAME,
        Header::FetchSite => &FETCH_SITE,
        Header::Host => &HOST,
        Header::IdempotencyKey => &KEY_NAME,
        Header::LastEventId => &LAST_EVENT_ID,
        Header::IfMatch => &IF_MATCH,
        Header::Origin => &ORIGIN,
        Header::RequestedHeaders => &ACCESS_CONTROL_REQUEST_HEADERS,
        Header::RequestId => &ID,
        Header::State => &STATE_NAME,
        Header::TraceParent => &TRACE_PARENT,
    }
}

/// The body of a request, as hyper receives it.
struct Received(Incoming);

impl Body for Received {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.0).poll_frame(context).map_err(|_| Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
