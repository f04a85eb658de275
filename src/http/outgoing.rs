//! Converts answers of the pipeline to hyper's responses.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION,
        CONTENT_TYPE, HeaderName, HeaderValue,
    },
};
use tokio::sync::watch;

use super::{in_flight::InFlight, task::stopped};
use crate::{
    call::{ALLOWED_HEADERS, Answer, Content, Pieces, Status},
    store::StoreError,
};

/// The body of an answer. Its request stays in progress until the body has been handed to the operating system.
pub(super) struct Outgoing {
    content: Either<Full<Bytes>, Streamed>,
    /// The request in progress, held here only for an answer without a body.
    _in_flight: Option<InFlight>,
}

/// A body that is produced while it is sent.
pub(super) struct Streamed {
    pieces: Box<dyn Pieces>,
    in_flight: InFlight,
    /// Completes when the server stops. `None` once the pieces have been notified.
    stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Converts an answer to hyper's response. `closes` announces that the connection ends after it.
pub(super) fn respond(
    answer: Answer,
    closes: bool,
    in_flight: InFlight,
    stop: &watch::Receiver<bool>,
) -> Response<Outgoing> {
    // Reserve room for these headers and for hyper's own, so that the map does not have to grow.
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    if answer.open_to_pages {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if closes {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response::new(Outgoing::new(answer.content, in_flight, stop));
    *response.status_mut() = status(answer.status);
    *response.headers_mut() = headers;
    response
}

fn status(status: Status) -> StatusCode {
    match status {
        Status::Ok => StatusCode::OK,
        Status::BadRequest => StatusCode::BAD_REQUEST,
        Status::Forbidden => StatusCode::FORBIDDEN,
        Status::NotFound => StatusCode::NOT_FOUND,
        Status::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Status::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl Outgoing {
    fn new(content: Content, in_flight: InFlight, stop: &watch::Receiver<bool>) -> Outgoing {
        let whole =
            |bytes, in_flight| Outgoing { content: Either::Left(Full::new(bytes)), _in_flight: in_flight };
        match content {
            Content::Fixed([]) => whole(Bytes::new(), Some(in_flight)),
            Content::Made(bytes) if bytes.is_empty() => whole(Bytes::new(), Some(in_flight)),
            Content::Fixed(bytes) => whole(in_flight.with_fixed(bytes), None),
            Content::Made(bytes) => whole(in_flight.with(bytes), None),
            Content::Stream(pieces) => {
                if let Some(time) = pieces.sending_time() {
                    in_flight.measure(time);
                }
                let mut stop = stop.clone();
                let stop: Pin<Box<dyn Future<Output = ()> + Send>> =
                    Box::pin(async move { stopped(&mut stop).await });
                let streamed = Streamed { pieces, in_flight, stop: Some(stop) };
                Outgoing { content: Either::Right(streamed), _in_flight: None }
            }
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.content).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        if let Some(stop) = &mut self.stop
            && stop.as_mut().poll(context).is_ready()
        {
            self.stop = None;
            self.pieces.stop();
        }
        let polled = self.pieces.poll_next(context);
        let is_waiting = polled.is_pending() && self.pieces.waits();
        self.in_flight.set_waiting(is_waiting);
        let piece = ready!(polled);
        let is_apart = self.pieces.has_own_limit();
        Poll::Ready(piece.map(|piece| piece.map(|bytes| Frame::data(self.in_flight.count(bytes, is_apart)))))
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc, time::Duration};

    use http_body_util::BodyExt;
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::{
        call::SendingTime,
        http::{
            activity::Activity,
            stream::{Left, WatchedStream},
            unsent::Unsent,
        },
    };

    /// Pieces that end only when stopped.
    struct Endless {
        stopped: bool,
    }

    impl Pieces for Endless {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, StoreError>>> {
            if self.stopped { Poll::Ready(None) } else { Poll::Pending }
        }

        fn stop(&mut self) {
            self.stopped = true;
        }
    }

    #[tokio::test]
    async fn a_stream_is_notified_of_a_stop_and_keeps_its_request_in_progress_until_it_ends() {
        let unsent = Arc::new(Unsent::new(1_000));
        let peer = IpAddr::from([127, 0, 0, 1]);
        let activity = Arc::new(Activity::new(peer, false, false, &unsent, Arc::default(), Duration::ZERO));
        let (stop, stopping) = watch::channel(false);
        let pieces = Content::Stream(Box::new(Endless { stopped: false }));
        let mut body = Outgoing::new(pieces, InFlight::begin(&activity), &stopping);
        let mut frame = Box::pin(body.frame());
        let polled = std::future::poll_fn(|context| Poll::Ready(frame.as_mut().poll(context))).await;
        assert!(polled.is_pending() && !activity.is_quiet());
        stop.send_replace(true);
        let ended = tokio::time::timeout(Duration::from_secs(20), frame.as_mut()).await;
        assert!(ended.is_ok_and(|frame| frame.is_none()), "the stream should end when the server stops");
        drop(frame);
        drop(body);
        assert!(activity.is_quiet());
    }

    /// Pieces whose sending is measured.
    struct Measured(Arc<SendingTime>);

    impl Pieces for Measured {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, StoreError>>> {
            Poll::Pending
        }

        fn sending_time(&self) -> Option<&Arc<SendingTime>> {
            Some(&self.0)
        }
    }

    #[tokio::test]
    async fn the_time_that_sending_takes_is_added_up_once_a_stream_asks_for_it() {
        let unsent = Arc::new(Unsent::new(1_000));
        let peer = IpAddr::from([127, 0, 0, 1]);
        let activity = Arc::new(Activity::new(peer, false, false, &unsent, Arc::default(), Duration::ZERO));
        let request = InFlight::begin(&activity);
        let mut socket = WatchedStream::http1(tokio::io::sink(), Arc::clone(&activity), Left::new());
        let time = Arc::<SendingTime>::default();
        socket.write_all(b"an answer before").await.unwrap();
        assert_eq!(time.get(), Duration::ZERO);
        let (_stop, stopping) = watch::channel(false);
        let pieces = Content::Stream(Box::new(Measured(Arc::clone(&time))));
        let _body = Outgoing::new(pieces, request, &stopping);
        socket.write_all(b"a piece").await.unwrap();
        assert!(time.get() > Duration::ZERO);
    }
}
