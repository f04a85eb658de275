//! Runs a server: opens its sockets, starts its threads, and stops them again.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{runtime::Runtime, sync::oneshot};

use crate::{
    background::{Background, Ended, OnEnd, Service, make_runtime},
    clock::{Clock, Deadline},
    http::{Bound, HttpService, Listening, serve},
    log_lines::log,
    signals::ServerSignals,
};

/// The maximum part of a stop's time that is reserved for what ends after the requests: spans, the store, the log.
const RESERVED: Duration = Duration::from_secs(1);

/// A server that is ready to run.
pub struct Server {
    /// The reserved addresses. The server listens on them once everything else is ready.
    pub bound: Vec<Bound>,
    /// The service that handles connections.
    pub http: Arc<HttpService>,
    /// The background services.
    pub(crate) services: Vec<Service>,
    /// The number of worker threads. Each has its own runtime, which is faster for this work than one
    /// runtime that moves tasks between threads.
    pub workers: usize,
    /// How long a stop may take, from its beginning to the end of the process. Requests in progress get nearly all of
    /// that time.
    pub drain: Duration,
}

/// Reloads the configuration when a signal asks for it.
pub type Reload<'a> = Box<dyn FnMut() + 'a>;

/// A server that has stopped.
#[derive(Debug)]
pub struct Stopped {
    /// An error if the server failed or could not start.
    pub result: io::Result<()>,
    /// The time by which the process must have ended.
    pub by: Deadline,
}

/// Why a server stops.
enum End {
    /// A signal asked for it.
    Requested,
    /// The store failed.
    Failure(io::Error),
    /// A thread ended unexpectedly.
    Thread(Ended),
}

impl Server {
    /// Serves until a signal stops the server or something fails, then drains connections and returns, with an error
    /// after a failure. `failure` completes if the server cannot continue. `ready` is called once clients can connect;
    /// connections are refused before that.
    ///
    /// It also returns an error if a thread or runtime cannot be created, or if another program already listens on
    /// one of the addresses.
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

    /// Implements [`Server::run`]. `stops` is called when the stop begins, and returns its deadline.
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
        let reserved = RESERVED.min(self.drain / 5);
        for _ in 0..self.workers {
            let (give, given) = oneshot::channel();
            let (http, drain) = (Arc::clone(&self.http), self.drain.saturating_sub(reserved));
            workers.start(worker(make_runtime()?, given, http, drain)).map_err(|error| {
                let said = format!(
                    "a worker thread cannot be started: {error}; the setting workers gives their number"
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
        // Clients can connect from here on, so all threads that serve them are already running.
        let listening = self.bound.into_iter().map(Bound::listen).collect::<io::Result<Vec<_>>>()?;
        for give in waiting {
            let sockets = listening.iter().map(Listening::share).collect::<io::Result<Vec<_>>>()?;
            // Sending fails if the worker has ended, which the loop below notices.
            let _ = give.send(sockets);
        }
        // Each worker has its own handles of the sockets, and closes them when it is stopped.
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
                        OnEnd::GoOn(report) => report(ended.error.as_deref().unwrap_or("it ended by itself")),
                    },
                }
            }
        });
        let by = stops();
        log!(STOPPING);
        let ended = workers.stop(&by.earlier(reserved / 2));
        // Services are stopped after the workers, because they process the last calls. One that hangs is abandoned.
        let services = services.stop(&by.earlier(reserved / 4));
        if let Err(error) = &services {
            log!(SERVICE_FAILED, %error);
        }
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

/// Returns the service of a worker thread, which serves the sockets that it receives.
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
                // If no sockets arrive, startup has failed for a reason that is reported elsewhere.
                let Ok(sockets) = given.await else { return Ok(()) };
                serve(sockets, http, stopping.signal(), drain).await
            });
            // Do not wait for blocking tasks.
            runtime.shutdown_background();
            ended
        }),
        afterwards: Box::new(|| ()),
    }
}
