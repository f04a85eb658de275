//! Composition: from a door and a socket to a running server, and back to none.

use std::{future::Future, io, sync::Arc, thread, time::Duration};

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::http::{Door, Listening, serve};

/// How long requests in flight may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until the process is told to stop (SIGTERM, SIGINT) or `failure` ends, then drains and
/// returns – with an error after a failure. Each of
/// the `workers` is a thread with a runtime of its own: on this work that is faster than one
/// runtime that moves tasks between threads.
///
/// # Errors
/// When a thread, a runtime or a signal handler cannot be had.
pub fn run(
    listening: Listening,
    door: &Arc<Door>,
    workers: usize,
    ready: impl FnOnce(),
    failure: impl Future<Output = ()>,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopping) = watch::channel(false);
    let mut threads = Vec::with_capacity(workers);
    for _ in 0..workers {
        let (socket, door, stopping) = (listening.share()?, Arc::clone(door), stopping.clone());
        let work = move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve(socket, door, stopping, DRAIN))
        };
        threads.push(thread::Builder::new().name("worker".to_owned()).spawn(work)?);
    }
    // The workers have it now, and close it when they are told to stop.
    drop(listening);
    let failed = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        ready();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = failure => return io::Result::Ok(true),
        }
        Ok(false)
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
