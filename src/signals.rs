//! Signals that end the process: handled from its first moment, in every task.
//!
//! The first process of a container has no default handling of signals, and elsewhere the default would leave
//! temporary files behind and say nothing. So a thread waits for them. As long as a task works, a signal ends
//! the process at once with the conventional status (128 and the number of the signal); a server that serves is
//! told instead, and ends in good order.

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

/// One Ctrl-C may arrive as several signals; those within this time count as one.
const SAME: Duration = Duration::from_secs(1);

/// A signal that ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The terminal has gone away.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// What `kill` sends.
    Terminate,
}

impl Ending {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ending::Hangup => "SIGHUP",
            Ending::Interrupt => "SIGINT",
            Ending::Terminate => "SIGTERM",
        }
    }

    /// The exit status of a process ended by this signal.
    #[must_use]
    pub fn status(self) -> i32 {
        match self {
            Ending::Hangup => 129,
            Ending::Interrupt => 130,
            Ending::Terminate => 143,
        }
    }
}

/// What SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// The end, as for most programs.
    Ends,
    /// That the configuration is to be read again, as soon as there is a server that can.
    Reloads,
}

/// The handling of signals, once it is installed.
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
    hangup: Hangup,
    serving: bool,
    /// When a server was told to stop.
    told: Option<Duration>,
    advice: &'static str,
}

/// What a server is told.
#[derive(Debug)]
pub struct Told {
    /// That it is to stop.
    pub stop: Stop,
    /// That it is to read its configuration again.
    pub reload: Reload,
}

/// That a server is to stop.
#[derive(Debug)]
pub struct Stop(watch::Receiver<bool>);

/// That a server is to read its configuration again.
#[derive(Debug)]
pub struct Reload(watch::Receiver<u64>);

impl Signals {
    /// Installs the handling. `end` runs before a signal ends the process: it says so, with the advice of the
    /// task, and cleans up.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    pub fn install(end: impl Fn(Ending, &str) + Send + 'static) -> io::Result<Signals> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { hangup: Hangup::Ends, serving: false, told: None, advice: "" }),
            stop: watch::Sender::new(false),
            reload: watch::Sender::new(0),
            clock: Clock::system(),
        });
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // nohup lets a program ignore it, and that is respected.
        let mut hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
        drop(entered);
        let signals = Signals(Arc::clone(&shared));
        let work = move || {
            runtime.block_on(async {
                loop {
                    let ending = tokio::select! {
                        _ = interrupt.recv() => Ending::Interrupt,
                        _ = terminate.recv() => Ending::Terminate,
                        () = received(hangup.as_mut()) => Ending::Hangup,
                    };
                    shared.take(ending, &end);
                }
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(work)?;
        Ok(signals)
    }

    /// What is said about going on when a signal ends the task that begins now.
    pub fn advise(&self, advice: &'static str) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).advice = advice;
    }

    /// Says what SIGHUP means from now on.
    pub fn hangup(&self, hangup: Hangup) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).hangup = hangup;
    }

    /// What a server is told, from the beginning on: a signal that came before it could listen counts too.
    #[must_use]
    pub fn told(&self) -> Told {
        Told { stop: Stop(self.0.stop.subscribe()), reload: Reload(self.0.reload.subscribe()) }
    }

    /// From now on a server is told of signals and ends by itself. Only a second one, when it does not end,
    /// ends the process.
    pub fn serving(&self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).serving = true;
    }

    /// The server has ended. If nobody told it to, the first signal ends the process, as before it began.
    pub fn stopped(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.serving = state.told.is_some();
    }
}

impl Shared {
    fn take(&self, ending: Ending, end: &impl Fn(Ending, &str)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if ending == Ending::Hangup && state.hangup == Hangup::Reloads {
            self.reload.send_modify(|times| *times += 1);
            return;
        }
        let now = self.clock.elapsed();
        let again = state.told.is_some_and(|told| now > told + SAME);
        if state.serving && !again {
            state.told.get_or_insert(now);
            self.stop.send_replace(true);
            return;
        }
        // The lock is held to the end: nobody begins to serve any more.
        end(ending, state.advice);
        std::process::exit(ending.status());
    }
}

impl Stop {
    /// Ends when the server is to stop.
    pub async fn ended(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Reload {
    /// Ends when the configuration is to be read again.
    pub async fn came(&mut self) {
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

/// Whether the process was started with SIGHUP ignored.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
