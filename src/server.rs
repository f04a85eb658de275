//! The life of a server: from sockets to threads that serve, and back to none.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{runtime::Runtime, sync::oneshot};

use crate::{
    background::{Background, Ended, OnEnd, Service, make_runtime},
    clock::{Clock, Deadline},
    http::{Bound, HttpService, Listening, serve},
    signals::ServerSignals,
};

/// How much of the time of a stop, at the most, is kept for what comes behind requests: spans, the store, the log.
const KEPT: Duration = Duration::from_secs(1);

/// A server that is ready to run.
pub struct Server {
    /// The addresses it has. It listens there when everything else is ready.
    pub bound: Vec<Bound>,
    /// What it serves.
    pub http: Arc<HttpService>,
    /// What works beside it.
    pub services: Vec<Service>,
    /// How many threads serve. Each has a runtime of its own: on this work that is faster than one
    /// runtime that moves tasks between threads.
    pub workers: usize,
    /// How long a stop may take, from its beginning to the end of the process. Requests in flight have nearly all of
    /// it.
    pub drain: Duration,
}

/// What a server does when a signal asks it to reload its configuration.
pub type Reload<'a> = Box<dyn FnMut() + 'a>;

/// A server that has stopped.
#[derive(Debug)]
pub struct Stopped {
    /// An error after a failure, or when it could not start.
    pub result: io::Result<()>,
    /// When the process has to have ended.
    pub by: Deadline,
}

/// Why a server stops.
enum End {
    /// A signal asked for it.
    Requested,
    /// What it works on failed.
    Failure(io::Error),
    /// A thread of its own ended unexpectedly.
    Thread(Ended),
}

impl Server {
    /// Serves until a signal stops it or something fails, then drains and returns – with an error after a
    /// failure. `failure` ends when what is served cannot go on, and says why. `ready` is called when clients can
    /// connect; before that they are refused.
    ///
    /// It also ends with an error when a thread or a runtime cannot be had, or when another program has begun to
    /// listen at one of the addresses.
    pub fn run<F: std::error::Error + Send + Sync + 'static>(
        self,
        ready: impl FnOnce(),
        signals: ServerSignals,
        reload: Reload<'_>,
        failure: impl Future<Output = F>,
    ) -> Stopped {
        let (clock, drain) = (Clock::system(), self.drain);
        let mut by = None;
        let mut stops = || by.insert(Deadline::after(&clock, drain)).clone();
        let result = self.serve(ready, signals, reload, failure, &mut stops);
        Stopped { result, by: by.unwrap_or_else(|| Deadline::after(&clock, drain)) }
    }

    /// The same. `stops` is called when the stop begins, for the moment when it has to be over.
    fn serve<F: std::error::Error + Send + Sync + 'static>(
        self,
        ready: impl FnOnce(),
        mut signals: ServerSignals,
        mut reload: Reload<'_>,
        failure: impl Future<Output = F>,
        stops: &mut dyn FnMut() -> Deadline,
    ) -> io::Result<()> {
        let runtime = make_runtime()?;
        let (mut workers, mut services) = (Background::default(), Background::default());
        let mut waiting = Vec::new();
        let kept = KEPT.min(self.drain / 5);
        for _ in 0..self.workers {
            let (give, given) = oneshot::channel();
            let (http, drain) = (Arc::clone(&self.http), self.drain.saturating_sub(kept));
            workers.start(worker(make_runtime()?, given, http, drain)).map_err(|error| {
                let said = format!(
                    "a thread that serves cannot be started: {error}; setting workers is the number of them"
                );
                io::Error::new(error.kind(), said)
            })?;
            waiting.push(give);
        }
        for service in self.services {
            let about = service.about;
            services.start(service).map_err(|error| {
                io::Error::new(error.kind(), format!("{about} cannot be started: {error}"))
            })?;
        }
        // From here on clients can connect, and everybody who serves them is there.
        let listening = self.bound.into_iter().map(Bound::listen).collect::<io::Result<Vec<_>>>()?;
        for give in waiting {
            let sockets = listening.iter().map(Listening::share).collect::<io::Result<Vec<_>>>()?;
            // A worker that has ended is noticed below.
            let _ = give.send(sockets);
        }
        // The workers have the sockets now, and close them when they are told to stop.
        drop(listening);
        let end = runtime.block_on(async {
            let mut failure = std::pin::pin!(failure);
            ready();
            loop {
                tokio::select! {
                    () = signals.stop.requested() => return End::Requested,
                    () = signals.reload.requested() => reload(),
                    failure = failure.as_mut() => return End::Failure(io::Error::other(failure)),
                    ended = workers.one_ended() => return End::Thread(ended),
                    ended = services.one_ended() => match ended.on_end {
                        OnEnd::Stop => return End::Thread(ended),
                        OnEnd::GoOn(said) => tracing::error!("{said}"),
                    },
                }
            }
        });
        let by = stops();
        tracing::info!("stopping");
        let ended = workers.stop(&by.earlier(kept / 2));
        // They stop behind the workers, whose last calls they still hear of. One that is left behind keeps nobody.
        let services = services.stop(&by.earlier(kept / 4));
        match end {
            End::Requested => ended,
            End::Failure(error) => Err(error),
            End::Thread(Ended { about, .. }) => {
                ended.and(services)?;
                Err(io::Error::other(format!("{about} ended unexpectedly")))
            }
        }
    }
}

/// A thread that serves the sockets it is given.
fn worker(
    runtime: Runtime,
    given: oneshot::Receiver<Vec<Listening>>,
    http: Arc<HttpService>,
    drain: Duration,
) -> Service {
    Service {
        name: "worker",
        about: "a worker thread",
        on_end: OnEnd::Stop,
        work: Box::new(move |stopping| {
            let ended = runtime.block_on(async {
                // Without sockets the start has failed, for a reason that is reported elsewhere.
                let Ok(sockets) = given.await else { return Ok(()) };
                serve(sockets, http, stopping.signal(), drain).await
            });
            // Work that blocks is not waited for.
            runtime.shutdown_background();
            ended
        }),
        afterwards: Box::new(|| ()),
    }
}
