//! Listening, connections, and their end.

use std::{
    io,
    net::{IpAddr, SocketAddr},
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
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::{
    Door, DoorLimits,
    answer::{self, Cut},
    faultless::Faultless,
    pace::Pace,
};
use crate::tls::Certificates;

/// How long a connection without a request may take to end when the server stops.
const LAST_FLUSH: Duration = Duration::from_millis(100);
/// How long to wait when the system has no more sockets to give.
const BREATH: Duration = Duration::from_millis(50);
/// The largest head of a request, and what hyper reads at once: what a slow client can make the server
/// remember.
const HEAD_BYTES: usize = 64 * 1024;
/// HTTP/2: requests at once on a connection, and bytes that may be on their way in one.
const STREAMS: u32 = 128;
const WINDOW: u32 = 256 * 1024;

/// A socket on which a server listens, given to it by whoever starts it.
#[derive(Debug)]
pub struct Listening {
    socket: std::net::TcpListener,
    address: SocketAddr,
    certificates: Option<Certificates>,
}

impl Listening {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of the system, above all that the address is taken.
    pub fn bind(address: SocketAddr) -> io::Result<Listening> {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Listening { address: socket.local_addr()?, socket, certificates: None })
    }

    /// The same, speaking TLS.
    #[must_use]
    pub fn with_tls(self, certificates: Certificates) -> Listening {
        Listening { certificates: Some(certificates), ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it shows of itself, if it speaks TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The same socket for one more thread. All accept from one queue, so that whoever is idle
    /// takes the next connection; and, other than with `SO_REUSEPORT`, a second server on a taken
    /// port fails instead of getting half of the connections.
    ///
    /// # Errors
    /// Those of the system.
    pub fn share(&self) -> io::Result<Listening> {
        let certificates = self.certificates.clone();
        Ok(Listening { socket: self.socket.try_clone()?, address: self.address, certificates })
    }
}

/// Serves connections until `stop` turns true, then lets requests in flight finish, for `drain` at
/// the most. Runs on a runtime of the calling thread.
///
/// # Errors
/// When a socket cannot be used.
pub async fn serve(
    listening: Vec<Listening>,
    door: Arc<Door>,
    stop: watch::Receiver<bool>,
    drain: Duration,
) -> io::Result<()> {
    // Each connection holds a sender; when the last is gone, receiving ends.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let mut accepting = JoinSet::new();
    for one in listening {
        let listener = TcpListener::from_std(one.socket)?;
        let (door, stop, alive) = (Arc::clone(&door), stop.clone(), alive.clone());
        accepting.spawn(accept(listener, one.certificates, door, stop, alive));
    }
    while accepting.join_next().await.is_some() {}
    drop(alive);
    if tokio::time::timeout(drain, all_gone.recv()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    Ok(())
}

async fn accept(
    listener: TcpListener,
    certificates: Option<Certificates>,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &door.connections) => accepted,
            () = told_to(&mut stop) => return,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                if let Some(metrics) = &door.metrics {
                    metrics.connection();
                }
                let (door, stop, alive) = (Arc::clone(&door), stop.clone(), alive.clone());
                let certificates = certificates.clone();
                spawn(async move {
                    // Answers are written whole; waiting to fill a segment would only delay them.
                    let _ = stream.set_nodelay(true);
                    let source = peer.ip();
                    match certificates {
                        None => speak_http1(stream, source, &door, stop).await,
                        Some(certificates) => speak_tls(stream, source, door, stop, &certificates).await,
                    }
                    drop((permit, alive));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                pause().await;
            }
        }
    }
}

/// The next connection, when there may be one more: beyond the limit it waits, and those after it in
/// the system's queue.
async fn next(
    listener: &TcpListener,
    limit: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let (stream, peer) = listener.accept().await?;
    let permit = if let Ok(permit) = Arc::clone(limit).try_acquire_owned() {
        permit
    } else {
        tracing::warn!("as many connections as limits.connections allows are open; further ones wait");
        Arc::clone(limit).acquire_owned().await.map_err(io::Error::other)?
    };
    Ok((stream, peer, permit))
}

async fn speak_tls(
    stream: TcpStream,
    source: IpAddr,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
    certificates: &Certificates,
) {
    let handshake = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first[0].is_ascii_uppercase() {
            let mut stream = stream;
            stream
                .write_all(&answer::unparsable("this port speaks TLS: the address begins with https://"))
                .await?;
            return Err(io::Error::other("a client spoke plain HTTP"));
        }
        certificates.acceptor().accept(stream).await
    };
    let handshake = tokio::time::timeout(door.limits.patience.head, handshake);
    let ended = tokio::select! {
        ended = handshake => ended,
        () = told_to(&mut stop) => return,
    };
    let stream = match ended {
        Ok(Ok(stream)) => stream,
        // Whoever connects and goes away again, as a probe does, is no news.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return,
        Ok(Err(error)) => return tracing::info!(%error, %source, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake did not end in time"),
    };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => speak_http2(stream, source, door, stop).await,
        _ => speak_http1(stream, source, &door, stop).await,
    }
}

async fn speak_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    source: IpAddr,
    door: &Door,
    stop: watch::Receiver<bool>,
) {
    let pace = Pace::new(true);
    let service = service_fn(|request| {
        let working = pace.begin();
        async move {
            let mut answer = door.answer(request, source).await?;
            answer.body_mut().outlive(working);
            Ok::<_, Cut>(answer)
        }
    });
    // No pipeline_flush: it holds an answer back for as long as unread bytes are left, and behind a
    // badly framed body they always are. No time-out of hyper's: it sets a timer per request.
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Faultless::new(stream, Arc::clone(&pace))), service);
    see_through(pin!(connection), &pace, door.limits, stop).await;
}

async fn speak_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    source: IpAddr,
    door: Arc<Door>,
    stop: watch::Receiver<bool>,
) {
    let pace = Pace::new(false);
    let limits = door.limits;
    let noted = Arc::clone(&pace);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let door = Arc::clone(&door);
        // Dropped with the stream, should the client give it up.
        let working = noted.begin();
        async move {
            let mut answer = door.answer(request, source).await?;
            answer.body_mut().outlive(working);
            Ok::<_, Cut>(answer)
        }
    });
    let connection = http2::Builder::new(Here)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(Faultless::new(stream, Arc::clone(&pace))), service);
    see_through(pin!(connection), &pace, limits, stop).await;
}

/// Serves a connection to its end: by itself, by a stop, or because it is too slow.
///
/// Takes it pinned: as an argument it would lie in this future twice.
async fn see_through<C>(
    mut connection: Pin<&mut C>,
    pace: &Pace,
    limits: DoorLimits,
    mut stop: watch::Receiver<bool>,
) where
    C: GracefulConnection<Error = hyper::Error>,
{
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = told_to(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            // A request that has begun is finished; one whose head is not yet here never begins.
            match pace.is_quiet() {
                true => tokio::time::timeout(LAST_FLUSH, connection).await.unwrap_or(Ok(())),
                false => connection.await,
            }
        }
        why = pace.outlasts(limits.patience, limits.answer_within) => return tracing::debug!("{why}"),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Where the requests of an HTTP/2 connection run: on the thread of the connection.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, task: F) {
        spawn(task);
    }
}

/// Waits until `stop` is true, or nobody can make it so any more.
async fn told_to(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[expect(clippy::disallowed_methods, reason = "connections are tasks of the thread that accepted them")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when the system has sockets again")]
async fn pause() {
    tokio::time::sleep(BREATH).await;
}
