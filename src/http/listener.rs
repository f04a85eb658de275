//! Accepts connections, gives each one a place, and waits for all of them when the server stops.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    connection,
    place::Place,
    registry::{Newcomer, NoPlace, PROBE_GRACE},
    service::HttpService,
    socket::Listening,
    sources::Proxies,
    task::{TaskHandle, spawn, stopped},
};
use crate::{log_lines::log, tls::Certificates};

/// How long to wait after a failed accept, for example because no descriptors are free.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Serves connections until `stop` becomes true, then lets requests in progress finish for at most `drain`. Runs on
/// the calling thread's runtime.
///
/// # Errors
/// Fails when a socket cannot be used, or when a listener panicked.
pub async fn serve(
    listening: Vec<Listening>,
    http: Arc<HttpService>,
    stop: watch::Receiver<bool>,
    drain: Duration,
) -> io::Result<()> {
    // Each connection holds a sender, so the channel closes when the last connection has ended.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let mut accepting = JoinSet::new();
    for one in listening {
        let listener = TcpListener::from_std(one.socket)?;
        let (http, stop, alive) = (Arc::clone(&http), stop.clone(), alive.clone());
        accepting.spawn(accept(listener, one.certificates, http, stop, alive));
    }
    drop(alive);
    while let Some(ended) = accepting.join_next().await {
        // A listener that panicked accepts no more connections, so the server has to stop instead of continuing with
        // the others.
        ended.map_err(io::Error::other)?;
    }
    let in_time = tokio::time::timeout(drain, all_gone.recv()).await.is_ok();
    if !in_time {
        log!(REQUESTS_CUT_OFF);
    }
    Ok(())
}

async fn accept(
    listener: TcpListener,
    certificates: Option<Certificates>,
    http: Arc<HttpService>,
    mut stop: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &http) => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, who, handle)) => {
                http.registry.accept();
                let (http, stop, alive) = (Arc::clone(&http), stop.clone(), alive.clone());
                let (certificates, inner) = (certificates.clone(), Arc::clone(&handle));
                let task = spawn(async move {
                    // Answers are written in one piece, so waiting to fill a segment would only delay them.
                    let _ = stream.set_nodelay(true);
                    match who {
                        Accepted::Placed(place) => {
                            connection::speak(stream, Arc::new(place), http, stop, certificates).await;
                        }
                        Accepted::Proxied(peer) => {
                            proxied(stream, peer, inner, http, stop, certificates).await;
                        }
                    }
                    drop(alive);
                });
                handle.arm(task.abort_handle());
            }
            Err(error) => {
                log!(CONNECTION_NOT_ACCEPTED, %error);
                pause().await;
            }
        }
    }
}

/// A connection that was accepted.
enum Accepted {
    Placed(Place),
    /// A connection from a trusted proxy, which has yet to name its client.
    Proxied(IpAddr),
}

/// Returns the next connection that gets a place. While all places are taken, it waits, and later connections wait in
/// the operating system's queue.
async fn next(
    listener: &TcpListener,
    http: &Arc<HttpService>,
) -> io::Result<(TcpStream, Accepted, Arc<TaskHandle>)> {
    loop {
        let (stream, peer) = listener.accept().await?;
        let peer = peer.ip().to_canonical();
        let handle = Arc::<TaskHandle>::default();
        if http.proxies.trusts(peer) {
            return Ok((stream, Accepted::Proxied(peer), handle));
        }
        let who = Newcomer { address: peer, named: false, forwards: false, handle: Arc::clone(&handle) };
        if let Some(place) = placed(http, &who).await {
            return Ok((stream, Accepted::Placed(place), handle));
        }
    }
}

/// Waits for a place. Returns `None`, so that the connection is closed, when its source has too many already.
async fn placed(http: &Arc<HttpService>, who: &Newcomer) -> Option<Place> {
    loop {
        let left = http.registry.left();
        match Place::enter(&http.registry, who, http.pipeline.clock().elapsed()) {
            Ok(place) => return Some(place),
            Err(NoPlace::Source) => {
                http.pipeline.refuse_connection();
                return None;
            }
            // A probe can be evicted once its grace period is over, and nothing signals that. Look again after that
            // time.
            Err(NoPlace::All) => drop(tokio::time::timeout(PROBE_GRACE, left).await),
        }
    }
}

/// Serves a connection from a trusted proxy. It gets a place once the proxy has named its client.
async fn proxied(
    mut stream: TcpStream,
    peer: IpAddr,
    handle: Arc<TaskHandle>,
    http: Arc<HttpService>,
    mut stop: watch::Receiver<bool>,
    certificates: Option<Certificates>,
) {
    let Ok(unplaced) = http.registry.unplaced().try_acquire() else {
        http.pipeline.refuse_connection();
        return;
    };
    let place = async {
        match Proxies::newcomer(&mut stream, peer, handle).await {
            Ok(who) => placed(&http, &who).await,
            Err(error) => {
                log!(INVALID_PROXY_HEADER, %error, source = %peer);
                None
            }
        }
    };
    // The time limit of a head applies, because every waiting connection occupies a socket.
    let place = tokio::select! {
        place = tokio::time::timeout(http.limits.patience.head, place) => place,
        () = stopped(&mut stop) => return,
    };
    drop(unplaced);
    if let Ok(Some(place)) = place {
        connection::speak(stream, Arc::new(place), http, stop, certificates).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the system sends no notification when descriptors become free"
)]
async fn pause() {
    tokio::time::sleep(ACCEPT_RETRY).await;
}
