//! The end of a server: what is closed may hang, and the process ends all the same.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::clock::Deadline;

/// How long closing may take when requests have used up the time of the stop.
const AT_LEAST: Duration = Duration::from_millis(500);

/// Drops what holds the store, which closes it, and waits for that until the deadline. A disk that hangs keeps nobody
/// waiting: what was acknowledged is durable already.
pub(super) fn close(holder: impl Send + 'static, by: &Deadline) {
    let (closing, closed) = mpsc::channel::<()>();
    let work = move || {
        drop(holder);
        drop(closing);
    };
    if let Err(error) = thread::Builder::new().name("closing".to_owned()).spawn(work) {
        // The closure was dropped, which closed the store on this thread.
        tracing::warn!(%error, "the store was closed without a limit of time, because no thread can be started");
        return;
    }
    if closed.recv_timeout(by.at_least(AT_LEAST).left()) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!("the store could not be closed in time; nothing that was acknowledged is lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// Takes as long to drop as somebody holds the other end.
    struct Hangs(mpsc::Receiver<()>);

    impl Drop for Hangs {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn what_hangs_is_left_behind() {
        let (release, held) = mpsc::channel();
        let clock = Clock::system();
        close(Hangs(held), &Deadline::after(&clock, Duration::ZERO));
        assert!(release.send(()).is_ok(), "it is still being dropped");
        // What does not hang is closed when this returns.
        let (holder, dropped) = mpsc::channel::<()>();
        close(holder, &Deadline::after(&clock, Duration::from_secs(60)));
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
