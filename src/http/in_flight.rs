//! Requests in progress, and the bytes of their answers that wait to be sent.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::activity::Activity;
use crate::call::SendingTime;

/// How many bytes of answers may wait on one connection before its next request has to wait as well.
const UNSENT_BYTES: usize = 256 * 1024;

/// A request in progress. It ends when its answer has been handed to the operating system or was discarded.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    /// The permit of a request on a connection without a valid signature, returned when this is dropped.
    stranger: Option<OwnedSemaphorePermit>,
    /// Whether its answer is a stream that has nothing to send at the moment.
    is_waiting: bool,
}

impl InFlight {
    /// Begins a request whose head has been received.
    pub(super) fn begin(activity: &Arc<Activity>) -> InFlight {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        InFlight { activity: Arc::clone(activity), stranger: None, is_waiting: false }
    }

    /// Waits until a request may proceed on a connection that carries several at once. Two limits apply: on the number
    /// of requests before a valid signature, and on the bytes of earlier answers that wait to be read.
    pub(super) async fn wait_turn(&mut self) {
        let activity = &self.activity;
        if !activity.is_signed() {
            // A valid signature closes the semaphore, so that acquiring fails and every request proceeds.
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

    /// Keeps the request in progress, and its answer counted as unsent, as long as these bytes exist: in a body, in
    /// one of hyper's buffers, or behind a flow-control window that the client does not open.
    pub(super) fn with(self, answer: Vec<u8>) -> Bytes {
        let bytes = UnsentBytes::new(answer, &self.activity, false);
        Bytes::from_owner(Answer { bytes, _request: self })
    }

    /// Counts a part of an answer as unsent as long as its bytes exist; `is_apart` if the answer has a limit of its own.
    pub(super) fn count(&self, part: Vec<u8>, is_apart: bool) -> Bytes {
        Bytes::from_owner(UnsentBytes::new(part, &self.activity, is_apart))
    }

    /// Adds the time that writing to this connection takes to `time` from now on.
    pub(super) fn measure(&self, time: &Arc<SendingTime>) {
        self.activity.sending_time.get_or_init(|| Arc::clone(time));
    }

    /// Notes whether the streamed answer has nothing to send at the moment.
    pub(super) fn set_waiting(&mut self, is_waiting: bool) {
        let waiting = &self.activity.waiting;
        match (self.is_waiting, is_waiting) {
            (false, true) => drop(waiting.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(waiting.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        self.is_waiting = is_waiting;
    }

    /// Like [`InFlight::with`], but for a static answer, which does not take up memory of its own and is therefore
    /// not counted.
    pub(super) fn with_fixed(self, answer: &'static [u8]) -> Bytes {
        Bytes::from_owner(Answer { bytes: answer, _request: self })
    }
}

/// The bytes of an answer, which keep its request in progress.
struct Answer<B> {
    bytes: B,
    _request: InFlight,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Answer<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Bytes that wait to be sent, counted per connection and in total.
struct UnsentBytes {
    bytes: Vec<u8>,
    /// Whether they belong to a stream that has a limit of its own.
    is_apart: bool,
    activity: Arc<Activity>,
}

impl UnsentBytes {
    fn new(bytes: Vec<u8>, activity: &Arc<Activity>, is_apart: bool) -> UnsentBytes {
        if activity.unsent.fetch_add(bytes.len(), Ordering::Relaxed) == 0 {
            activity.unsent_since.store(activity.last(), Ordering::Relaxed);
        }
        activity.all_unsent.add(bytes.len(), is_apart);
        if is_apart {
            activity.apart.fetch_add(bytes.len(), Ordering::Relaxed);
        }
        UnsentBytes { bytes, is_apart, activity: Arc::clone(activity) }
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
        activity.all_unsent.remove(self.bytes.len(), self.is_apart);
        if self.is_apart {
            activity.apart.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        }
        activity.taken.fetch_add(1, Ordering::Relaxed);
        // HTTP/1 requests come one at a time, so none of them waits for another.
        if !activity.heads.load(Ordering::Relaxed) {
            activity.wake.notify_waiters();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.set_waiting(false);
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
    fn a_request_is_in_progress_until_the_bytes_of_its_answer_are_dropped() {
        let activity = activity();
        let (one, two) = (InFlight::begin(&activity), InFlight::begin(&activity));
        let answer = one.with(vec![b'x'; 600]);
        drop(two);
        assert!(!activity.is_quiet());
        assert_eq!((activity.unsent(), activity.all_unsent.is_tight()), (600, false));
        let (rest, other) = (answer.slice(300..), InFlight::begin(&activity).with(vec![b'y'; 600]));
        drop(answer);
        assert_eq!(
            (activity.unsent(), activity.all_unsent.is_tight()),
            (1_200, true),
            "a slice keeps the whole answer counted"
        );
        drop((rest, other));
        assert!(activity.is_quiet() && activity.unsent() == 0 && !activity.all_unsent.is_tight());
    }

    #[tokio::test]
    async fn without_a_valid_signature_a_connection_has_few_requests_in_progress() {
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
