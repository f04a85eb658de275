//! Composition: from a door and sockets to a running server, and back to none.

use std::{
    future::Future,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
};

use crate::{
    http::{Bound, Door, Listening, serve},
    signals::Told,
};

/// How often the files of certificates are looked at.
const CERT_POLL: Duration = Duration::from_secs(1);

/// A server that is ready to run.
pub struct Server {
    /// The addresses it has. It listens there when everything else is ready.
    pub bound: Vec<Bound>,
    /// What it serves.
    pub door: Arc<Door>,
    /// How many threads serve. Each has a runtime of its own: on this work that is faster than one
    /// runtime that moves tasks between threads.
    pub workers: usize,
    /// How long requests in flight may take to finish when the server stops.
    pub drain: Duration,
}

/// What a server does when it is told to read its configuration again.
pub type Reload<'a> = Box<dyn FnMut() + 'a>;

/// Why a server stops.
enum End {
    /// It was told to.
    Told,
    /// What it works on failed.
    Failure(io::Error),
    /// A thread of its own ended unexpectedly.
    Worker,
}

impl Server {
    /// Serves until it is `told` to stop or something fails, then drains and returns – with an error after a
    /// failure. `failure` ends when what is served cannot go on, and says why. `ready` is called when clients can
    /// connect; before that they are refused.
    ///
    /// # Errors
    /// When a thread or a runtime cannot be had, when another program has begun to listen at an address, and after a
    /// failure.
    pub fn run<F: std::error::Error + Send + Sync + 'static>(
        self,
        ready: impl FnOnce(),
        mut told: Told,
        mut reload: Reload<'_>,
        failure: impl Future<Output = F>,
    ) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopping) = watch::channel(false);
        let mut workers = Workers::default();
        let mut waiting = Vec::new();
        for _ in 0..self.workers {
            let (give, given) = oneshot::channel();
            let (door, stopping, drain) = (Arc::clone(&self.door), stopping.clone(), self.drain);
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            workers.start(move || {
                runtime.block_on(async {
                    // Without sockets the start has failed, for a reason that is reported elsewhere.
                    let Ok(sockets) = given.await else { return Ok(()) };
                    serve(sockets, door, stopping, drain).await
                })
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
                    () = told.stop.ended() => return Ok(End::Told),
                    () = told.reload.came() => reload(),
                    _ = looks.tick(), if !certificates.is_empty() => {}
                    failure = failure.as_mut() => return Ok(End::Failure(io::Error::other(failure))),
                    () = workers.one_ended() => return io::Result::Ok(End::Worker),
                }
                for one in &certificates {
                    match one.refresh() {
                        Ok(true) => {
                            tracing::info!("the certificate was read again");
                            if let Some(doubt) = one.doubt() {
                                tracing::warn!("the certificate that is shown {doubt}");
                            }
                        }
                        Ok(false) => {}
                        Err(error) => tracing::error!(%error, "the certificate shown before is kept"),
                    }
                }
            }
        })?;
        tracing::info!("stopping");
        // An error means that all workers have ended already.
        let _ = stop.send(true);
        let ended = workers.join();
        match end {
            End::Told => ended,
            End::Failure(error) => Err(error),
            End::Worker => {
                ended?;
                Err(io::Error::other("a worker thread ended unexpectedly"))
            }
        }
    }
}

/// The threads that serve. The rest of the server must not go on when one of them ends: the connections it had are
/// gone, and those that it would have accepted wait.
struct Workers {
    threads: Vec<JoinHandle<io::Result<()>>>,
    /// Given to each thread, which drops it at its end, in whichever way it ends.
    alive: mpsc::Sender<Ended>,
    ended: mpsc::Receiver<Ended>,
}

/// A thread has ended.
struct Ended;

/// Held by a thread for as long as it lives.
struct Alive(mpsc::Sender<Ended>);

impl Drop for Alive {
    fn drop(&mut self) {
        // One is enough: the channel holds it until somebody looks.
        let _ = self.0.try_send(Ended);
    }
}

impl Default for Workers {
    fn default() -> Workers {
        let (alive, ended) = mpsc::channel(1);
        Workers { threads: Vec::new(), alive, ended }
    }
}

impl Workers {
    fn start(&mut self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let alive = Alive(self.alive.clone());
        let work = move || {
            let _alive = alive;
            work()
        };
        self.threads.push(thread::Builder::new().name("worker".to_owned()).spawn(work)?);
        Ok(())
    }

    /// Waits until one of them has ended.
    async fn one_ended(&mut self) {
        self.ended.recv().await;
    }

    /// Waits until all of them have ended; the first error.
    fn join(self) -> io::Result<()> {
        let ends = self.threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a worker thread panicked, which is a defect")))
        });
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
        workers.join()
    }

    #[test]
    fn a_thread_that_ends_is_noticed_however_it_ends() {
        let said = |end: io::Result<()>| end.unwrap_err().to_string();
        assert!(said(with(|| panic!("this thread panics, as the test wants"))).contains("panicked"));
        assert_eq!(said(with(|| Err(io::Error::other("no runtime")))), "no runtime");
        assert!(with(|| Ok(())).is_ok());
    }
}
