//! The runner of threads that serve, or work in the background beside those that do: how they start, stop within the one
//! deadline of the server, and are noticed when they fail.

use std::{
    io,
    sync::{Arc, OnceLock, mpsc as threads},
    thread,
    time::Duration,
};

use tokio::{
    runtime,
    sync::{mpsc, watch},
};

use crate::clock::Deadline;

/// How long threads may take to end when requests have used up the time of the stop.
const LAST_STEP: Duration = Duration::from_millis(500);

/// A service with a thread of its own.
pub struct Service {
    /// The name of its thread.
    pub name: &'static str,
    /// What it is in messages, such as `a worker thread`.
    pub about: &'static str,
    /// What its end means before the server stops.
    pub on_end: OnEnd,
    /// What it does until it hears of the stop.
    pub work: Box<dyn FnOnce(Stopping) -> io::Result<()> + Send>,
    /// Called when it has ended, or was left behind.
    pub afterwards: Box<dyn FnOnce() + Send>,
}

/// What it means that a service ends before the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEnd {
    /// The server cannot go on.
    Stop,
    /// The server goes on without it, and this goes to the log.
    GoOn(&'static str),
}

/// How a service hears of the stop.
#[derive(Clone, Debug)]
pub struct Stopping {
    begun: watch::Receiver<bool>,
    by: Arc<OnceLock<Deadline>>,
}

impl Stopping {
    /// Whether the stop has begun.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        // A runner that is gone asks for nothing any more.
        *self.begun.borrow() || self.begun.has_changed().is_err()
    }

    /// When the service has to have ended, once the stop has begun.
    #[must_use]
    pub fn by(&self) -> Option<&Deadline> {
        self.by.get()
    }

    /// Waits until the stop begins.
    pub async fn begin(&mut self) {
        // An error means that the runner is gone, which is a stop, too.
        let _ = self.begun.wait_for(|begun| *begun).await;
    }

    /// The same as a value that turns true.
    #[must_use]
    pub fn signal(&self) -> watch::Receiver<bool> {
        self.begun.clone()
    }

    /// Does something at once and then again and again, so long apart, until the stop begins.
    ///
    /// # Errors
    /// When the system refuses a runtime.
    pub fn every(mut self, period: Duration, mut work: impl FnMut()) -> io::Result<()> {
        make_runtime()?.block_on(async {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = self.begin() => return Ok(()),
                    _ = ticks.tick() => work(),
                }
            }
        })
    }
}

/// A runtime for the calling thread.
///
/// # Errors
/// When the system refuses it.
pub fn make_runtime() -> io::Result<runtime::Runtime> {
    let made = runtime::Builder::new_current_thread().enable_all().build();
    made.map_err(|error| io::Error::new(error.kind(), format!("a runtime cannot be made: {error}")))
}

/// Services that run.
pub struct Background {
    begin: watch::Sender<bool>,
    stopping: Stopping,
    /// Given to each thread, which says here that it ends, in whichever way.
    notice: mpsc::UnboundedSender<Ended>,
    notices: mpsc::UnboundedReceiver<Ended>,
    running: Vec<Running>,
}

/// A service has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it is.
    pub about: &'static str,
    /// What its end means.
    pub on_end: OnEnd,
}

struct Running {
    about: &'static str,
    /// How its thread has ended.
    report: threads::Receiver<io::Result<()>>,
    afterwards: Box<dyn FnOnce() + Send>,
}

/// Held by a thread for as long as it lives.
struct Alive {
    ended: Ended,
    notice: mpsc::UnboundedSender<Ended>,
    report: threads::Sender<io::Result<()>>,
    /// How it ends, when it does not panic.
    end: Option<io::Result<()>>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        let panicked = || Err(io::Error::other(format!("{} panicked, which is a defect", self.ended.about)));
        let end = self.end.take().unwrap_or_else(panicked);
        // The server may have stopped waiting.
        let _ = self.report.send(end);
        let _ = self.notice.send(self.ended);
    }
}

impl Default for Background {
    fn default() -> Background {
        let (signal, begun) = watch::channel(false);
        let (notice, notices) = mpsc::unbounded_channel();
        let stopping = Stopping { begun, by: Arc::default() };
        Background { begin: signal, stopping, notice, notices, running: Vec::new() }
    }
}

impl Background {
    /// Starts a service.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(&mut self, service: Service) -> io::Result<()> {
        let Service { name, about, on_end, work, afterwards } = service;
        let (reporting, report) = threads::channel();
        let ended = Ended { about, on_end };
        let alive = Alive { ended, notice: self.notice.clone(), report: reporting, end: None };
        let stopping = self.stopping.clone();
        let work = move || {
            let mut alive = alive;
            alive.end = Some(work(stopping));
        };
        // Threads are not joined, because one that hangs would keep the process.
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        self.running.push(Running { about, report, afterwards });
        Ok(())
    }

    /// Waits until one of the services has ended, in whichever way.
    pub async fn one_ended(&mut self) -> Ended {
        match self.notices.recv().await {
            Some(ended) => ended,
            // This value holds a sender itself.
            None => std::future::pending().await,
        }
    }

    /// Lets all services stop, and waits until they have ended or the time is over; the first error.
    ///
    /// # Errors
    /// That of a service, or that one was left behind.
    pub fn stop(self, by: &Deadline) -> io::Result<()> {
        // It is set once, since this takes the runner.
        let _ = self.stopping.by.set(by.clone());
        self.begin.send_replace(true);
        let by = by.at_least(LAST_STEP);
        let late = |about| io::Error::other(format!("{about} did not end in time and was left behind"));
        let ends = self.running.into_iter().map(|Running { about, report, afterwards }| {
            let end = report.recv_timeout(by.left()).unwrap_or_else(|_| Err(late(about)));
            afterwards();
            end
        });
        // All are waited for before an error is returned: the others are still finishing their requests.
        ends.collect::<Vec<_>>().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn service(work: impl FnOnce(Stopping) -> io::Result<()> + Send + 'static) -> Service {
        let (work, afterwards) = (Box::new(work), Box::new(|| ()));
        Service { name: "test", about: "a worker thread", on_end: OnEnd::Stop, work, afterwards }
    }

    fn after(time: Duration) -> Deadline {
        Deadline::after(&Clock::system(), time)
    }

    /// What becomes of three threads of which two wait for the stop and one does this.
    fn with(work: impl FnOnce(Stopping) -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let mut background = Background::default();
        for _ in 0..2 {
            let waits = |mut stopping: Stopping| {
                make_runtime()?.block_on(async {
                    stopping.begin().await;
                    Ok(())
                })
            };
            background.start(service(waits)).unwrap();
        }
        background.start(service(work)).unwrap();
        let ended = make_runtime()
            .unwrap()
            .block_on(async { tokio::time::timeout(Duration::from_secs(20), background.one_ended()).await });
        let expected = Ended { about: "a worker thread", on_end: OnEnd::Stop };
        assert_eq!(ended, Ok(expected), "nobody noticed that a thread ended");
        background.stop(&after(Duration::from_secs(20)))
    }

    #[test]
    fn a_thread_that_hangs_is_left_behind_and_something_follows_all_the_same() {
        let mut background = Background::default();
        let (release, held) = threads::channel::<()>();
        let (done, followed) = threads::channel();
        let afterwards = Box::new(move || done.send(()).unwrap());
        background
            .start(Service { afterwards, ..service(move |_| held.recv().map_err(io::Error::other)) })
            .unwrap();
        let ended = background.stop(&after(Duration::ZERO));
        assert!(ended.unwrap_err().to_string().contains("left behind"));
        assert!(followed.try_recv().is_ok() && release.send(()).is_ok(), "it still hangs");
    }

    #[test]
    fn a_thread_that_ends_is_noticed_however_it_ends() {
        let said = |end: io::Result<()>| end.unwrap_err().to_string();
        assert!(said(with(|_| panic!("this thread panics, as the test wants"))).contains("panicked"));
        assert_eq!(said(with(|_| Err(io::Error::other("no runtime")))), "no runtime");
        assert!(with(|_| Ok(())).is_ok());
    }

    #[test]
    fn what_is_done_again_and_again_ends_with_the_stop() {
        let mut background = Background::default();
        let (done, times) = threads::channel();
        let work =
            move |stopping: Stopping| stopping.every(Duration::from_millis(1), || done.send(()).unwrap());
        background.start(service(work)).unwrap();
        for _ in 0..3 {
            times.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        assert!(background.stop(&after(Duration::from_secs(20))).is_ok());
        // Its end has closed the channel, or else this would wait.
        assert!(times.iter().all(|()| true));
    }
}
