//! Composition: from a door and sockets to a running server, and back to none.

use std::{
    future::Future,
    io,
    sync::{Arc, mpsc as threads},
    thread,
    time::Duration,
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
};

use crate::{
    clock::{Clock, Deadline},
    http::{Bound, Door, Listening, serve},
    signals::ServerSignals,
};

/// How often the files of certificates are looked at.
const CERT_POLL: Duration = Duration::from_secs(1);

/// How much of the time of a stop, at the most, is kept for what comes behind requests: spans, the store, the log.
const KEPT: Duration = Duration::from_secs(1);
/// How long threads may take to end when requests have used up the time of the stop.
const LAST_STEP: Duration = Duration::from_millis(500);

/// A server that is ready to run.
pub struct Server {
    /// The addresses it has. It listens there when everything else is ready.
    pub bound: Vec<Bound>,
    /// What it serves.
    pub door: Arc<Door>,
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
    Worker,
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
        let (stop, stopping) = watch::channel(false);
        let mut workers = Workers::default();
        let mut waiting = Vec::new();
        let kept = KEPT.min(self.drain / 5);
        for _ in 0..self.workers {
            let (give, given) = oneshot::channel();
            let (door, stopping, drain) =
                (Arc::clone(&self.door), stopping.clone(), self.drain.saturating_sub(kept));
            let runtime = make_runtime()?;
            workers.start(move || {
                let ended = runtime.block_on(async {
                    // Without sockets the start has failed, for a reason that is reported elsewhere.
                    let Ok(sockets) = given.await else { return Ok(()) };
                    serve(sockets, door, stopping, drain).await
                });
                // Work that blocks is not waited for.
                runtime.shutdown_background();
                ended
            })?;
            waiting.push(give);
        }
        let certificates: Vec<_> = self.bound.iter().filter_map(|one| one.certificates().cloned()).collect();
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
            let mut looks = tokio::time::interval(CERT_POLL);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut failure = std::pin::pin!(failure);
            ready();
            loop {
                tokio::select! {
                    () = signals.stop.requested() => return Ok(End::Requested),
                    () = signals.reload.requested() => reload(),
                    _ = looks.tick(), if !certificates.is_empty() => {}
                    failure = failure.as_mut() => return Ok(End::Failure(io::Error::other(failure))),
                    () = workers.one_ended() => return io::Result::Ok(End::Worker),
                }
                for one in &certificates {
                    match one.refresh() {
                        Ok(true) => {
                            tracing::info!("the certificate was read again");
                            if let Some(doubt) = one.validity_problem() {
                                tracing::warn!("the certificate that is shown {doubt}");
                            }
                        }
                        Ok(false) => {}
                        Err(error) => tracing::error!(%error, "the certificate shown before is kept"),
                    }
                }
            }
        })?;
        let by = stops();
        tracing::info!("stopping");
        // An error means that all workers have ended already.
        let _ = stop.send(true);
        let ended = workers.join(&by.earlier(kept / 2));
        self.door.finish_traces(&by.earlier(kept / 4));
        match end {
            End::Requested => ended,
            End::Failure(error) => Err(error),
            End::Worker => {
                ended?;
                Err(io::Error::other("a worker thread ended unexpectedly"))
            }
        }
    }
}

fn make_runtime() -> io::Result<runtime::Runtime> {
    let made = runtime::Builder::new_current_thread().enable_all().build();
    made.map_err(|error| io::Error::new(error.kind(), format!("a runtime cannot be made: {error}")))
}

/// The threads that serve. The rest of the server must not go on when one of them ends: the connections it had are
/// gone, and those that it would have accepted wait.
struct Workers {
    /// How many were started.
    count: usize,
    /// Given to each thread, which drops it at its end, in whichever way it ends.
    alive: mpsc::Sender<Ended>,
    ended: mpsc::Receiver<Ended>,
    /// How each thread has ended.
    report: threads::Sender<io::Result<()>>,
    reports: threads::Receiver<io::Result<()>>,
}

/// A thread has ended.
struct Ended;

/// Held by a thread for as long as it lives.
struct Alive {
    notice: mpsc::Sender<Ended>,
    report: threads::Sender<io::Result<()>>,
    /// How it ends, when it does not panic.
    end: Option<io::Result<()>>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        let panicked = || Err(io::Error::other("a worker thread panicked, which is a defect"));
        // The server may have stopped waiting.
        let _ = self.report.send(self.end.take().unwrap_or_else(panicked));
        // One is enough: the channel holds it until somebody looks.
        let _ = self.notice.try_send(Ended);
    }
}

impl Default for Workers {
    fn default() -> Workers {
        let (alive, ended) = mpsc::channel(1);
        let (report, reports) = threads::channel();
        Workers { count: 0, alive, ended, report, reports }
    }
}

impl Workers {
    fn start(&mut self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let alive = Alive { notice: self.alive.clone(), report: self.report.clone(), end: None };
        let work = move || {
            let mut alive = alive;
            alive.end = Some(work());
        };
        // Threads are not joined, because one that hangs would keep the process.
        let started = thread::Builder::new().name("worker".to_owned()).spawn(work);
        started.map_err(|error| {
            let said = format!(
                "a thread that serves cannot be started: {error}; setting workers is the number of them"
            );
            io::Error::new(error.kind(), said)
        })?;
        self.count += 1;
        Ok(())
    }

    /// Waits until one of them has ended.
    async fn one_ended(&mut self) {
        self.ended.recv().await;
    }

    /// Waits until all of them have ended, or the time is over; the first error.
    fn join(self, by: &Deadline) -> io::Result<()> {
        let late = |_| Err(io::Error::other("a worker thread did not end in time and was left behind"));
        let by = by.at_least(LAST_STEP);
        let ends = (0..self.count).map(|_| self.reports.recv_timeout(by.left()).unwrap_or_else(late));
        // All are waited for before an error is returned: the others are still finishing their requests.
        ends.collect::<Vec<_>>().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of three threads of which two wait to be told to stop and one does this.
    fn with(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let mut workers = Workers::default();
        let (stop, stopping) = watch::channel(false);
        for _ in 0..2 {
            let mut stopping = stopping.clone();
            workers
                .start(move || {
                    let runtime = runtime::Builder::new_current_thread().build()?;
                    runtime.block_on(stopping.wait_for(|stop| *stop)).map(drop).map_err(io::Error::other)
                })
                .unwrap();
        }
        workers.start(work).unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ended = runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(20), workers.one_ended()).await });
        assert!(ended.is_ok(), "nobody noticed that a thread ended");
        stop.send_replace(true);
        workers.join(&Deadline::after(&Clock::system(), Duration::from_secs(20)))
    }

    #[test]
    fn a_thread_that_hangs_is_left_behind() {
        let mut workers = Workers::default();
        let (release, held) = threads::channel::<()>();
        workers.start(move || held.recv().map_err(io::Error::other)).unwrap();
        let ended = workers.join(&Deadline::after(&Clock::system(), Duration::ZERO));
        assert!(ended.unwrap_err().to_string().contains("left behind"));
        assert!(release.send(()).is_ok(), "it still hangs");
    }

    #[test]
    fn a_thread_that_ends_is_noticed_however_it_ends() {
        let said = |end: io::Result<()>| end.unwrap_err().to_string();
        assert!(said(with(|| panic!("this thread panics, as the test wants"))).contains("panicked"));
        assert_eq!(said(with(|| Err(io::Error::other("no runtime")))), "no runtime");
        assert!(with(|| Ok(())).is_ok());
    }
}
