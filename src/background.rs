//! Runs threads: those that serve requests, and those of background services. All of them are stopped within one
//! deadline, and a thread that fails is noticed.

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

/// The time that threads have to end if requests have used up the shutdown time.
const LAST_STEP: Duration = Duration::from_millis(500);

/// A service that runs in a thread of its own.
pub(crate) struct Service {
    /// The name of the thread.
    pub name: &'static str,
    /// The name of the service in messages, such as `a worker thread`.
    pub about: &'static str,
    /// What happens if it ends before the server stops.
    pub on_end: OnEnd,
    /// The work, which ends after the stop has begun.
    pub work: Box<dyn FnOnce(Stopping) -> io::Result<()> + Send>,
    /// A function that is called after the work has ended, or when it did not end in time.
    pub afterwards: Box<dyn FnOnce() + Send>,
}

/// What happens if a service ends before the server stops.
#[derive(Clone, Copy, Debug)]
pub enum OnEnd {
    /// The server stops.
    Stop,
    /// The server continues without the service, and this function logs why it ended.
    GoOn(fn(&str)),
}

/// Lets a service notice the stop.
#[derive(Clone, Debug)]
pub struct Stopping {
    begun: watch::Receiver<bool>,
    by: Arc<OnceLock<Deadline>>,
}

impl Stopping {
    /// Returns whether the stop has begun.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        // The channel is closed when the runner is dropped, which counts as a stop.
        *self.begun.borrow() || self.begun.has_changed().is_err()
    }

    /// Returns the time by which the service must have ended, once the stop has begun.
    #[must_use]
    pub fn by(&self) -> Option<&Deadline> {
        self.by.get()
    }

    /// Waits until the stop begins.
    pub async fn begin(&mut self) {
        // An error means that the runner was dropped, which counts as a stop.
        let _ = self.begun.wait_for(|begun| *begun).await;
    }

    /// Returns a value that becomes true when the stop begins.
    #[must_use]
    pub fn signal(&self) -> watch::Receiver<bool> {
        self.begun.clone()
    }

    /// Runs `work` immediately and then once per period, until the stop begins.
    ///
    /// # Errors
    /// Fails if the system cannot create a runtime.
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

/// The maximum number of threads of a runtime for work that blocks, which is rare.
const BLOCKING_THREADS: usize = 512;

/// Creates a runtime for the calling thread.
///
/// # Errors
/// Fails if the system cannot create one.
pub fn make_runtime() -> io::Result<runtime::Runtime> {
    make_runtime_with(BLOCKING_THREADS)
}

/// Like [`make_runtime`], with at most this many threads for work that blocks.
///
/// # Errors
/// Fails if the system cannot create one.
pub fn make_runtime_with(blocking: usize) -> io::Result<runtime::Runtime> {
    let mut builder = runtime::Builder::new_current_thread();
    let made = builder.enable_all().max_blocking_threads(blocking).build();
    made.map_err(|error| io::Error::new(error.kind(), format!("a runtime cannot be created: {error}")))
}

/// The running services.
pub struct Background {
    begin: watch::Sender<bool>,
    stopping: Stopping,
    /// Threads announce their end here. Each thread has a clone.
    notice: mpsc::UnboundedSender<Ended>,
    notices: mpsc::UnboundedReceiver<Ended>,
    running: Vec<Running>,
}

/// The end of a service.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The name of the service.
    pub about: &'static str,
    /// What happens now.
    pub on_end: OnEnd,
    /// Why it failed; `None` if it ended by itself.
    pub error: Option<String>,
}

struct Running {
    about: &'static str,
    /// The result of the thread.
    report: threads::Receiver<io::Result<()>>,
    afterwards: Box<dyn FnOnce() + Send>,
}

/// Announces the end of a thread when it is dropped, even by a panic.
struct Alive {
    ended: Ended,
    notice: mpsc::UnboundedSender<Ended>,
    report: threads::Sender<io::Result<()>>,
    /// The result, unless the thread panics.
    end: Option<io::Result<()>>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        let panicked = || Err(io::Error::other(format!("{} panicked, which is a defect", self.ended.about)));
        let end = self.end.take().unwrap_or_else(panicked);
        self.ended.error = end.as_ref().err().map(ToString::to_string);
        // The receiver is gone if the server has stopped waiting for this thread.
        let _ = self.report.send(end);
        let _ = self.notice.send(self.ended.clone());
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
    /// Fails if the system cannot create a thread.
    pub(crate) fn start(&mut self, service: Service) -> io::Result<()> {
        let Service { name, about, on_end, work, afterwards } = service;
        let (reporting, report) = threads::channel();
        let ended = Ended { about, on_end, error: None };
        let alive = Alive { ended, notice: self.notice.clone(), report: reporting, end: None };
        let stopping = self.stopping.clone();
        let work = move || {
            let mut alive = alive;
            alive.end = Some(work(stopping));
        };
        // The thread is not joined, because a thread that hangs would keep the process from ending.
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        self.running.push(Running { about, report, afterwards });
        Ok(())
    }

    /// Waits until a service ends, normally or by a panic.
    pub async fn one_ended(&mut self) -> Ended {
        match self.notices.recv().await {
            Some(ended) => ended,
            // Unreachable, because `self` holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Stops all services and waits until they have ended or the deadline has passed. Returns the first error.
    ///
    /// # Errors
    /// Returns the error of a service, or an error that names a service that did not end in time.
    pub fn stop(self, by: &Deadline) -> io::Result<()> {
        // This is the only place that sets the deadline, and it consumes the runner.
        let _ = self.stopping.by.set(by.clone());
        self.begin.send_replace(true);
        let by = by.at_least(LAST_STEP);
        let late = |about| io::Error::other(format!("{about} did not end in time and was left behind"));
        let ends = self.running.into_iter().map(|Running { about, report, afterwards }| {
            let end = report.recv_timeout(by.left()).unwrap_or_else(|_| Err(late(about)));
            afterwards();
            end
        });
        // Collect all results before returning the first error, so that every service can finish its requests.
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

    /// Runs three threads, two of which wait for the stop while the third does `work`, and returns the result.
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
        let ended = ended.expect("the end of a thread was not noticed");
        assert!(ended.about == "a worker thread" && matches!(ended.on_end, OnEnd::Stop));
        let stopped = background.stop(&after(Duration::from_secs(20)));
        assert_eq!(ended.error, stopped.as_ref().err().map(ToString::to_string));
        stopped
    }

    #[test]
    fn a_thread_that_hangs_is_left_behind_and_what_follows_still_runs() {
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
    fn repeated_work_ends_with_the_stop() {
        let mut background = Background::default();
        let (done, times) = threads::channel();
        let work =
            move |stopping: Stopping| stopping.every(Duration::from_millis(1), || done.send(()).unwrap());
        background.start(service(work)).unwrap();
        for _ in 0..3 {
            times.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        background.stop(&after(Duration::from_secs(20))).expect("the stop ends the repetition");
    }
}
