//! Listening, connections, and their end.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

use super::{Door, faultless::Faultless};

/// How long a connection may be without an answered request.
const IDLE: Duration = Duration::from_secs(60);
/// How long a connection without a request may take to end when the server stops.
const LAST_FLUSH: Duration = Duration::from_millis(100);
/// How long to wait when the system has no more sockets to give.
const BREATH: Duration = Duration::from_millis(50);

/// A socket on which a server listens, given to it by whoever starts it.
#[derive(Debug)]
pub struct Listening {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of the system, above all that the address is taken.
    pub fn bind(address: SocketAddr) -> io::Result<Listening> {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Listening { address: socket.local_addr()?, socket })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same socket for one more thread. All accept from one queue, so that whoever is idle
    /// takes the next connection; and, other than with `SO_REUSEPORT`, a second server on a taken
    /// port fails instead of getting half of the connections.
    ///
    /// # Errors
    /// Those of the system.
    pub fn share(&self) -> io::Result<std::net::TcpListener> {
        self.socket.try_clone()
    }
}

/// Serves connections until `stop` turns true, then lets requests in flight finish, for `drain` at
/// the most. Runs on a runtime of the calling thread.
///
/// # Errors
/// When the socket cannot be used.
pub async fn serve(
    socket: std::net::TcpListener,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) -> io::Result<()> {
    let listener = TcpListener::from_std(socket)?;
    // Each connection holds a sender; when the last is gone, receiving ends.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told_to(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (door, stop, alive) = (Arc::clone(&door), stop.clone(), alive.clone());
                spawn(async move {
                    connection(stream, peer.ip(), door, stop).await;
                    drop(alive);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                pause().await;
            }
        }
    }
    drop(listener);
    drop(alive);
    if tokio::time::timeout(drain, all_gone.recv()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    Ok(())
}

async fn connection(stream: TcpStream, source: IpAddr, door: Arc<Door>, mut stop: watch::Receiver<bool>) {
    // Answers are written whole; waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    let (begun, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let service = service_fn(|request| {
        let (door, answered) = (&door, &answered);
        begun.fetch_add(1, Ordering::Relaxed);
        async move {
            let answer = door.answer(request, source).await;
            answered.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(answer)
        }
    });
    // No pipeline_flush: it holds an answer back for as long as unread bytes are left, and behind a
    // badly framed body they always are. No time-out of hyper's: it sets a timer per request.
    let connection = http1::Builder::new().serve_connection(TokioIo::new(Faultless::new(stream)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = told_to(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            // A request that has begun is finished; one whose head is not yet here never begins.
            match begun.load(Ordering::Relaxed) == answered.load(Ordering::Relaxed) {
                true => tokio::time::timeout(LAST_FLUSH, connection).await.unwrap_or(Ok(())),
                false => connection.await,
            }
        }
        () = idle(&answered) => {
            tracing::debug!("a connection was idle for too long");
            return;
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Waits until no request has been answered for [`IDLE`] at least, twice that at most. A request
/// that is being worked on ends long before; one whose head trickles in does not count.
async fn idle(answered: &AtomicU64) {
    let mut before = answered.load(Ordering::Relaxed);
    let mut ticks = tokio::time::interval(IDLE);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let now = answered.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
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
