//! Handling of SIGINT, SIGTERM and SIGHUP, for every subcommand and from the start of the process.
//!
//! The kernel's default handling is not enough: process 1 of a container has none, and elsewhere the process would
//! exit without a message and leave temporary files behind. So a thread waits for signals. By default a signal ends
//! the process immediately with the conventional exit status (128 plus the signal number). While a server is running,
//! the signal asks the server for a graceful stop instead.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::clock::Clock;

/// One Ctrl-C may be delivered as several signals. Those within this time of the first count as the same request.
const REPEAT_WINDOW: Duration = Duration::from_secs(1);

/// A signal whose default action is to end the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationSignal {
    /// SIGHUP, sent when the terminal is closed.
    Hangup,
    /// SIGINT, sent by Ctrl-C.
    Interrupt,
    /// SIGTERM, sent by `kill` and by service managers.
    Terminate,
}

impl TerminationSignal {
    /// Returns the signal's name, such as `SIGTERM`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TerminationSignal::Hangup => "SIGHUP",
            TerminationSignal::Interrupt => "SIGINT",
            TerminationSignal::Terminate => "SIGTERM",
        }
    }

    /// Returns the exit status of a process ended by this signal.
    #[must_use]
    pub fn status(self) -> i32 {
        match self {
            TerminationSignal::Hangup => 129,
            TerminationSignal::Interrupt => 130,
            TerminationSignal::Terminate => 143,
        }
    }
}

/// What the process does on SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangupAction {
    /// Ends, as most programs do.
    Terminate,
    /// Reloads the configuration as soon as the server is running.
    Reload,
}

/// A handle to the installed signal handling.
#[derive(Clone, Debug)]
pub struct Signals(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    stop: watch::Sender<bool>,
    reload: watch::Sender<u64>,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    hangup: HangupAction,
    serving: bool,
    /// When the server was first asked to stop.
    stop_requested_at: Option<Duration>,
    advice: &'static str,
}

/// The signals that a running server reacts to.
#[derive(Debug)]
pub struct ServerSignals {
    /// Asks the server to stop.
    pub stop: Stop,
    /// Asks the server to reload its configuration.
    pub reload: Reload,
}

/// Receives the request to stop.
#[derive(Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Receives requests to reload the configuration.
#[derive(Debug)]
pub struct Reload(watch::Receiver<u64>);

impl Signals {
    /// Installs the handlers and starts the thread that waits for signals. Before a signal ends the process, `end` is
    /// called with the signal and the current advice, to clean up and print a message.
    ///
    /// # Errors
    /// Fails if a handler cannot be installed or the thread cannot be started.
    pub fn install(end: impl Fn(TerminationSignal, &str) + Send + 'static) -> io::Result<Signals> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                hangup: HangupAction::Terminate,
                serving: false,
                stop_requested_at: None,
                advice: "",
            }),
            stop: watch::Sender::new(false),
            reload: watch::Sender::new(0),
            clock: Clock::system(),
        });
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // A process started by nohup keeps ignoring SIGHUP.
        let mut hangup =
            if started_with_sighup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        drop(entered);
        let signals = Signals(Arc::clone(&shared));
        let work = move || {
            runtime.block_on(async {
                loop {
                    let ending = tokio::select! {
                        _ = interrupt.recv() => TerminationSignal::Interrupt,
                        _ = terminate.recv() => TerminationSignal::Terminate,
                        () = received(hangup.as_mut()) => TerminationSignal::Hangup,
                    };
                    shared.handle(ending, &end);
                }
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(work)?;
        Ok(signals)
    }

    /// Sets what the user is advised to do if a signal ends the process from now on.
    pub fn set_advice(&self, advice: &'static str) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).advice = advice;
    }

    /// Sets what SIGHUP does from now on.
    pub fn on_hangup(&self, hangup: HangupAction) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).hangup = hangup;
    }

    /// Subscribes a server to its signals. A stop requested before the subscription is received, too.
    #[must_use]
    pub fn subscribe(&self) -> ServerSignals {
        ServerSignals { stop: Stop(self.0.stop.subscribe()), reload: Reload(self.0.reload.subscribe()) }
    }

    /// Makes the next signal ask the server to stop. A later one ends the process if the server has not stopped by
    /// then.
    pub fn serving(&self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).serving = true;
    }

    /// Records that the server has ended. If it ended without having been asked to, the next signal ends the process.
    pub fn stopped(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.serving = state.stop_requested_at.is_some();
    }
}

impl Shared {
    fn handle(&self, ending: TerminationSignal, end: &impl Fn(TerminationSignal, &str)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if ending == TerminationSignal::Hangup && state.hangup == HangupAction::Reload {
            self.reload.send_modify(|times| *times += 1);
            return;
        }
        let now = self.clock.elapsed();
        let again = state.stop_requested_at.is_some_and(|first| now > first + REPEAT_WINDOW);
        if state.serving && !again {
            state.stop_requested_at.get_or_insert(now);
            self.stop.send_replace(true);
            return;
        }
        // Exit while holding the lock, so that no server can start in between.
        end(ending, state.advice);
        std::process::exit(ending.status());
    }
}

impl Stop {
    /// Waits until the server is asked to stop.
    pub async fn requested(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Reload {
    /// Waits until the configuration is to be reloaded.
    pub async fn requested(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Returns whether the process was started with SIGHUP ignored, as nohup does.
fn started_with_sighup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
