//! A request in work, the bytes of its answer that wait to be sent, and the task that serves its connection.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use tokio::{sync::OwnedSemaphorePermit, task::AbortHandle};

use super::Activity;

/// Ends the task of a connection from outside. The task exists before its handle is known, and may have to end
/// before that, too.
#[derive(Debug, Default)]
pub(in crate::http) struct TaskHandle {
    task: OnceLock<AbortHandle>,
    ended: AtomicBool,
}

impl TaskHandle {
    /// Ends the task, or does so as soon as it is known.
    pub(in crate::http) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Makes the task known.
    pub(in crate::http) fn arm(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        if self.ended.load(Ordering::SeqCst) {
            task.abort();
        }
    }
}

/// A request in work. It ends when its answer has been handed to the system, or was given up.
#[derive(Debug)]
pub(in crate::http) struct InFlight {
    activity: Arc<Activity>,
    /// Its place among the few requests of a stranger, given back when this is dropped.
    pub(super) stranger: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    pub(super) fn new(activity: Arc<Activity>) -> InFlight {
        InFlight { activity, stranger: None }
    }

    /// Keeps the request in work, and its answer counted as unsent, as long as these bytes exist: in a body,
    /// in a buffer of hyper's, or behind a window that the client does not open.
    pub(in crate::http) fn with(self, answer: Vec<u8>) -> Bytes {
        let bytes = UnsentBytes::new(answer, &self.activity);
        Bytes::from_owner(Answer { bytes, _request: self })
    }

    /// Counts a part of an answer as unsent as long as its bytes exist.
    pub(in crate::http) fn count(&self, part: Vec<u8>) -> Bytes {
        Bytes::from_owner(UnsentBytes::new(part, &self.activity))
    }

    /// The same with bytes of the program itself, which take no memory of their own.
    pub(in crate::http) fn with_fixed(self, answer: &'static [u8]) -> Bytes {
        Bytes::from_owner(Answer { bytes: answer, _request: self })
    }
}

/// The bytes of an answer, and the request that they keep in work.
struct Answer<B> {
    bytes: B,
    _request: InFlight,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Answer<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Bytes that wait to be sent, counted for their connection and for all.
struct UnsentBytes {
    bytes: Vec<u8>,
    activity: Arc<Activity>,
}

impl UnsentBytes {
    fn new(bytes: Vec<u8>, activity: &Arc<Activity>) -> UnsentBytes {
        if activity.unsent.fetch_add(bytes.len(), Ordering::Relaxed) == 0 {
            activity.unsent_since.store(activity.last(), Ordering::Relaxed);
        }
        activity.all_unsent.add(bytes.len());
        UnsentBytes { bytes, activity: Arc::clone(activity) }
    }
}

impl AsRef<[u8]> for UnsentBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for UnsentBytes {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.unsent.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        activity.all_unsent.remove(self.bytes.len());
        activity.taken.fetch_add(1, Ordering::Relaxed);
        // Requests of HTTP/1 come one after the other, so that none waits for another.
        if !activity.heads.load(Ordering::Relaxed) {
            activity.wake.notify_waiters();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.partial.store(false, Ordering::Relaxed);
        activity.finished.fetch_add(1, Ordering::Relaxed);
    }
}
