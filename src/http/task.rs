//! The task of a connection: how it begins, ends from outside, and hears of a stop.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinHandle},
};

/// Ends the task of a connection from outside. The task exists before its handle is known, and may have to end
/// before that, too.
#[derive(Debug, Default)]
pub(super) struct TaskHandle {
    task: OnceLock<AbortHandle>,
    ended: AtomicBool,
}

impl TaskHandle {
    /// Ends the task, or does so as soon as it is known.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Makes the task known.
    pub(super) fn arm(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        if self.ended.load(Ordering::SeqCst) {
            task.abort();
        }
    }
}

/// Waits until `stop` is true, or can never become so any more.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[expect(clippy::disallowed_methods, reason = "connections are tasks of the thread that accepted them")]
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}
