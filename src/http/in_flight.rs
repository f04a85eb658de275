//! A request in work, and the bytes of its answer that wait to be sent.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::activity::Activity;

/// How many bytes of answers may wait on one connection before its next request has to wait, too.
const UNSENT_BYTES: usize = 256 * 1024;

/// A request in work. It ends when its answer has been handed to the system, or was given up.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    /// Its place among the few requests of a stranger, given back when this is dropped.
    stranger: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    /// The head of a request is here.
    pub(super) fn begin(activity: &Arc<Activity>) -> InFlight {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        InFlight { activity: Arc::clone(activity), stranger: None }
    }

    /// Waits until a request of a connection that carries several at once may go on: a stranger has only a
    /// few of them in work, and nobody gets answers while many earlier ones are waiting to be read.
    pub(super) async fn wait_turn(&mut self) {
        let activity = &self.activity;
        if !activity.is_signed() {
            // The semaphore is closed when a signature was good, which lets everybody through.
            self.stranger = Arc::clone(&activity.strangers).acquire_owned().await.ok();
        }
        loop {
            let taken = activity.wake.notified();
            let unsent = activity.unsent();
            if unsent == 0 || (unsent < UNSENT_BYTES && !activity.all_unsent.is_tight()) {
                return;
            }
            taken.await;
        }
    }

    /// Keeps the request in work, and its answer counted as unsent, as long as these bytes exist: in a body,
    /// in a buffer of hyper's, or behind a window that the client does not open.
    pub(super) fn with(self, answer: Vec<u8>) -> Bytes {
        let bytes = UnsentBytes::new(answer, &self.activity);
        Bytes::from_owner(Answer { bytes, _request: self })
    }

    /// Counts a part of an answer as unsent as long as its bytes exist.
    pub(super) fn count(&self, part: Vec<u8>) -> Bytes {
        Bytes::from_owner(UnsentBytes::new(part, &self.activity))
    }

    /// The same with bytes of the program itself, which take no memory of their own.
    pub(super) fn with_fixed(self, answer: &'static [u8]) -> Bytes {
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

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use super::*;
    use crate::http::{activity::STRANGER_REQUESTS, unsent::Unsent};

    fn activity() -> Arc<Activity> {
        let unsent = Arc::new(Unsent::new(1_000));
        Arc::new(Activity::new(
            IpAddr::from([127, 0, 0, 1]),
            false,
            false,
            &unsent,
            Arc::default(),
            Duration::ZERO,
        ))
    }

    #[test]
    fn a_request_is_in_work_until_the_bytes_of_its_answer_are_gone() {
        let activity = activity();
        let (one, two) = (InFlight::begin(&activity), InFlight::begin(&activity));
        let answer = one.with(vec![b'x'; 600]);
        drop(two);
        assert!(!activity.is_quiet());
        assert_eq!((activity.unsent(), activity.all_unsent.is_tight()), (600, false));
        let (rest, other) = (answer.slice(300..), InFlight::begin(&activity).with(vec![b'y'; 600]));
        drop(answer);
        assert_eq!((activity.unsent(), activity.all_unsent.is_tight()), (1_200, true), "a slice keeps all");
        drop((rest, other));
        assert!(activity.is_quiet() && activity.unsent() == 0 && !activity.all_unsent.is_tight());
    }

    #[tokio::test]
    async fn a_stranger_has_few_requests_in_work_until_a_signature_is_good() {
        let activity = activity();
        let mut waiting = Vec::new();
        for _ in 0..STRANGER_REQUESTS {
            let mut request = InFlight::begin(&activity);
            request.wait_turn().await;
            waiting.push(request);
        }
        let mut fifth = InFlight::begin(&activity);
        let mut turn = Box::pin(fifth.wait_turn());
        assert!(futures_poll(turn.as_mut()).await.is_pending());
        activity.mark_signed();
        turn.await;
    }

    #[tokio::test]
    async fn a_connection_that_reads_nothing_gets_no_further_answers() {
        let activity = activity();
        activity.speak_http2();
        let unread = InFlight::begin(&activity).with(vec![b'x'; UNSENT_BYTES]);
        let mut next = InFlight::begin(&activity);
        let mut turn = Box::pin(next.wait_turn());
        assert!(futures_poll(turn.as_mut()).await.is_pending());
        drop(unread);
        turn.await;
    }

    /// Polls a future once.
    async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
    }
}
