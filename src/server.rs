//! Composition: from a door and sockets to a running server, and back to none.

use std::{future::Future, io, sync::Arc, thread, time::Duration};

use tokio::{runtime, sync::watch};

use crate::{
    http::{Door, Listening, serve},
    signals::Told,
};

/// How often the files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A server that is ready to run.
pub struct Server {
    /// Where it listens.
    pub listening: Vec<Listening>,
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

impl Server {
    /// Serves until it is `told` to stop or `failure` ends, then drains and returns – with an error after a
    /// failure.
    ///
    /// # Errors
    /// When a thread or a runtime cannot be had.
    pub fn run(
        self,
        ready: impl FnOnce(),
        mut told: Told,
        mut reload: Reload<'_>,
        failure: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopping) = watch::channel(false);
        let mut threads = Vec::with_capacity(self.workers);
        for _ in 0..self.workers {
            let shared = self.listening.iter().map(Listening::share).collect::<io::Result<Vec<_>>>()?;
            let (door, stopping, drain) = (Arc::clone(&self.door), stopping.clone(), self.drain);
            let work = move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(serve(shared, door, stopping, drain))
            };
            threads.push(thread::Builder::new().name("worker".to_owned()).spawn(work)?);
        }
        let certificates: Vec<_> =
            self.listening.iter().filter_map(|one| one.certificates().cloned()).collect();
        // The workers have the sockets now, and close them when they are told to stop.
        drop(self.listening);
        let failed = runtime.block_on(async {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut failure = std::pin::pin!(failure);
            ready();
            loop {
                tokio::select! {
                    () = told.stop.ended() => return Ok(false),
                    () = told.reload.came() => reload(),
                    _ = looks.tick(), if !certificates.is_empty() => {}
                    () = failure.as_mut() => return io::Result::Ok(true),
                }
                for one in &certificates {
                    match one.refresh() {
                        Ok(true) => tracing::info!("the certificate was read again"),
                        Ok(false) => {}
                        Err(error) => tracing::error!(%error, "the certificate shown before is kept"),
                    }
                }
            }
        })?;
        tracing::info!("stopping");
        // Nobody listening any more is as good as told.
        let _ = stop.send(true);
        for thread in threads {
            thread.join().map_err(|_| io::Error::other("a worker thread panicked"))??;
        }
        match failed {
            true => Err(io::Error::other("the disk failed under a commit; look at it, then start again")),
            false => Ok(()),
        }
    }
}
