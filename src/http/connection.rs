//! The life of one connection: TLS handshake, HTTP/1.1 or HTTP/2, and shutdown.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::{
    activity::Activity,
    in_flight::InFlight,
    limits::HttpLimits,
    place::Place,
    service::HttpService,
    stream::{Left, WatchedStream},
    task::{spawn, stopped},
    unparsed,
};
use crate::{log_lines::log, tls::Certificates};

/// How long a connection without a request may take to end when the server stops.
const LAST_FLUSH: Duration = Duration::from_millis(100);
/// The largest head of a request, and the most that hyper reads at once. It bounds the memory that a slow client can
/// occupy.
const HEAD_BYTES: usize = 64 * 1024;
/// HTTP/2: the number of concurrent requests on a connection, and the flow-control window of one request and of the
/// whole connection. Requests that wait for their turn leave their bodies unread, so a connection can make the server
/// hold one window in addition to the bodies that are counted, which is as much as a head may take in HTTP/1.
const STREAMS: u32 = 32;
const WINDOW: u32 = 64 * 1024;
/// HTTP/2: the maximum number of bytes of one answer that wait for the client to read them.
const SEND_BYTES: usize = 64 * 1024;

/// Serves a connection that has a place, until it ends.
pub(super) async fn speak(
    stream: TcpStream,
    place: Arc<Place>,
    http: Arc<HttpService>,
    mut stop: watch::Receiver<bool>,
    certificates: Option<Certificates>,
) {
    let Some(certificates) = certificates else { return speak_http1(stream, &place, &http, stop).await };
    let handshake = tokio::time::timeout(http.limits.patience.head, shake_hands(stream, &certificates));
    let ended = tokio::select! {
        ended = handshake => ended,
        () = stopped(&mut stop) => return,
    };
    let source = place.activity.peer;
    let stream = match ended {
        Ok(Ok(stream)) => stream,
        // Don't log clients that disconnect during the handshake, such as TCP probes.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return,
        Ok(Err(error)) => return log!(HANDSHAKE_FAILED, %error, %source),
        Err(_) => return log!(HANDSHAKE_TOO_SLOW, %source),
    };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => speak_http2(stream, place, http, stop).await,
        _ => speak_http1(stream, &place, &http, stop).await,
    }
}

async fn shake_hands(
    mut stream: TcpStream,
    certificates: &Certificates,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0].is_ascii_uppercase() {
        stream.write_all(&unparsed::not_tls()).await?;
        let left = Left::holding(stream);
        left.linger().await;
        return Err(io::Error::other("a client spoke plain HTTP"));
    }
    certificates.acceptor().accept(stream).await
}

async fn speak_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    place: &Place,
    http: &HttpService,
    mut stop: watch::Receiver<bool>,
) {
    let activity = &place.activity;
    let left = Left::new();
    {
        let service = service_fn(|request| http.answer(request, place, InFlight::begin(activity), &stop));
        // `pipeline_flush` stays off: it delays an answer while unread bytes are left, which is always the case after a
        // badly framed body. hyper's time-out stays off, too: it sets a timer per request.
        let stream = WatchedStream::http1(stream, Arc::clone(activity), left.clone());
        let connection =
            http1::Builder::new().max_buf_size(HEAD_BYTES).serve_connection(TokioIo::new(stream), service);
        see_through(pin!(connection), activity, http.limits, stop.clone()).await;
    }
    tokio::select! {
        () = left.linger() => {}
        () = stopped(&mut stop) => {}
    }
}

async fn speak_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: Arc<Place>,
    http: Arc<HttpService>,
    stop: watch::Receiver<bool>,
) {
    let activity = Arc::clone(&place.activity);
    activity.speak_http2();
    let limits = http.limits;
    let shared = Arc::new((http, place, stop.clone()));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        // This future owns it, so that it also ends if the client resets the stream.
        let mut in_flight = InFlight::begin(&shared.1.activity);
        async move {
            let (http, place, stop) = &*shared;
            in_flight.wait_turn().await;
            http.answer(request, place, in_flight, stop).await
        }
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        // A client can open a window of any size without reading.
        .max_send_buf_size(SEND_BYTES)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(WatchedStream::http2(stream, Arc::clone(&activity))), service);
    see_through(pin!(connection), &activity, limits, stop).await;
}

/// Runs a connection until it ends by itself, the server stops, or it becomes too slow.
///
/// The connection is passed pinned, because moving it in would store it twice in this future.
async fn see_through<C>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    limits: HttpLimits,
    mut stop: watch::Receiver<bool>,
) where
    C: GracefulConnection<Error = hyper::Error>,
{
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            // Requests in progress are finished. One whose head is still incomplete is dropped.
            match activity.is_quiet() {
                true => tokio::time::timeout(LAST_FLUSH, connection).await.unwrap_or(Ok(())),
                false => connection.await,
            }
        }
        () = activity.until_too_slow(limits.patience, limits.answer_within) => return,
    };
    if let Err(error) = ended {
        log!(CONNECTION_BROKE, %error);
    }
}

/// Runs the requests of an HTTP/2 connection on the thread of the connection.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        drop(spawn(task));
    }
}
