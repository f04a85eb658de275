//! The task of a connection: starting it, ending it from outside, and waiting for the server's stop.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinHandle},
};

/// Ends the task of a connection from outside. A task may have to end before its handle is known, because it starts
/// first.
#[derive(Debug, Default)]
pub(super) struct TaskHandle {
    task: OnceLock<AbortHandle>,
    ended: AtomicBool,
}

impl TaskHandle {
    /// Ends the task, or remembers to do so as soon as its handle is known.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Sets the handle of the task.
    pub(super) fn arm(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        if self.ended.load(Ordering::SeqCst) {
            task.abort();
        }
    }
}

/// Waits until `stop` becomes true or its sender is dropped.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[expect(clippy::disallowed_methods, reason = "connections are tasks of the thread that accepted them")]
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}
