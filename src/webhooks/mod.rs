//! Webhooks: sends what changes in an app to the receivers that its settings name, at least once, and in order for each
//! owner.
//!
//! A *destination* is one receiver. It has a *lane* for each stream of the feed. A lane sends one event after another and
//! waits for the answer to each; lanes do not wait for each other. What is stored about a lane is the number of the last
//! event that was delivered, and how often the next one failed.

mod delivery;
mod destination;
mod forwarding;
mod lanes;
mod message;
mod queue;
mod replay;
mod sending;
mod settings;
mod signing;
mod summary;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

pub use forwarding::{Forwarded, Forwardee, Forwarder};
pub use replay::{Replayed, Tried, replay_stopped};
pub use settings::{KINDS, Secret, Token, Webhook, is_name};
pub use summary::Summary;

use self::{
    delivery::{Delivery, until},
    destination::{Command, Destination},
    message::Message,
};
use crate::{
    background::{OnEnd, Service, Stopping, make_runtime_with},
    clock::Clock,
    domain::AppId,
    log_lines::log,
    store::{DestinationId, Store, StoreError},
};

/// The highest number of threads that send messages: enough for some hundred receivers that do not answer. There are only as
/// many as are needed at a time.
const THREADS: usize = 16_384;
/// How long to wait after a failure of the store.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// Stores these webhooks before a server answers its first call, so that new ones receive the event of that call.
///
/// # Errors
/// Returns any error of the store. The service that delivers events stores the webhooks as soon as that is possible.
pub async fn prepare(store: &dyn Store, webhooks: &[Webhook]) -> Result<(), StoreError> {
    for webhook in webhooks {
        store.destination(webhook.id.clone()).await?;
    }
    Ok(())
}

/// The webhooks of a server.
pub struct Webhooks {
    store: Arc<dyn Store>,
    clock: Clock,
    destinations: Mutex<Destinations>,
    /// Changes when the settings do.
    changed: watch::Sender<()>,
}

/// All destinations. They follow the settings immediately instead of waiting for the service, so that a caller who
/// has just changed the settings never sees the previous ones.
#[derive(Default)]
struct Destinations {
    all: BTreeMap<DestinationId, Arc<Destination>>,
    /// The destinations without a task yet, with what their tasks will receive.
    new: Vec<(Arc<Destination>, mpsc::UnboundedReceiver<Command>)>,
}

impl Destinations {
    /// Adds, changes and ends destinations, so that they match these webhooks.
    fn follow(&mut self, wanted: Vec<Webhook>) {
        self.all.retain(|id, destination| {
            let is_wanted = wanted.iter().any(|webhook| webhook.id == *id);
            if !is_wanted {
                destination.ask(Command::End);
            }
            is_wanted
        });
        for webhook in wanted {
            match self.all.get(&webhook.id) {
                Some(destination) if *destination.settings() == webhook => {}
                Some(destination) => destination.set(webhook),
                None => {
                    let id = webhook.id.clone();
                    let (destination, commands) = Destination::new(webhook);
                    self.all.insert(id, Arc::clone(&destination));
                    self.new.push((destination, commands));
                }
            }
        }
    }
}

/// The state of one webhook.
#[derive(Clone, Debug)]
pub struct Status {
    /// The app and the name.
    pub id: DestinationId,
    /// The scheme and the host of the receiver.
    pub receiver: String,
    /// The lanes.
    pub summary: Summary,
    /// The number of events that were given up.
    pub given_up: u64,
    /// The number of messages that were delivered since the start.
    pub delivered: u64,
    /// The number of attempts that failed since the start.
    pub failed: u64,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks")
    }
}

impl Webhooks {
    /// Returns the webhooks of a server, and the service that delivers events to them.
    #[must_use]
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        settings: Vec<Webhook>,
    ) -> (Arc<Webhooks>, Service) {
        let mut destinations = Destinations::default();
        destinations.follow(settings);
        let (destinations, changed) = (Mutex::new(destinations), watch::Sender::new(()));
        let webhooks = Arc::new(Webhooks { store, clock, destinations, changed });
        let of_service = Arc::clone(&webhooks);
        let service = Service {
            name: "webhooks",
            about: "the thread that delivers to webhooks",
            on_end: OnEnd::GoOn(|error| log!(WEBHOOKS_ENDED, error)),
            work: Box::new(move |stopping| of_service.deliver(stopping)),
            afterwards: Box::new(|| ()),
        };
        (webhooks, service)
    }

    /// Replaces the settings of all webhooks. Removed ones are forgotten, with how far they had come.
    pub fn apply(&self, settings: Vec<Webhook>) {
        self.destinations().follow(settings);
        self.changed.send_replace(());
    }

    /// Returns the state of all webhooks, sorted by app and name.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        (self.destinations().all.iter())
            .map(|(id, destination)| Status {
                id: id.clone(),
                receiver: destination.settings().url.origin(),
                summary: destination.summary(),
                given_up: destination.given_up.load(Ordering::Relaxed),
                delivered: destination.delivered.load(Ordering::Relaxed),
                failed: destination.failed.load(Ordering::Relaxed),
            })
            .collect()
    }

    /// Sends everything that is waiting at once, even if the destination is off or paused. Returns false if there is
    /// no such webhook.
    #[must_use]
    pub fn enable(&self, id: &DestinationId) -> bool {
        let found = self.find(id);
        found.map(|destination| destination.ask(Command::Enable)).is_some()
    }

    /// Warns the receivers of an app that the app is close to a limit of calls per second: that of a command, which
    /// is given with its service, or that of all commands together.
    pub fn warn_of_limit(&self, app: AppId, command: Option<(&str, &str)>, calls: u32, limit: u32) {
        for (_, destination) in self.destinations().all.iter().filter(|(id, _)| id.app == app) {
            destination.ask(Command::Send(Message::over_limit(command, calls, limit)));
        }
    }

    fn find(&self, id: &DestinationId) -> Option<Arc<Destination>> {
        self.destinations().all.get(id).cloned()
    }

    fn destinations(&self) -> MutexGuard<'_, Destinations> {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers events until the stop begins.
    fn deliver(self: Arc<Webhooks>, stopping: Stopping) -> io::Result<()> {
        let runtime = make_runtime_with(THREADS)?;
        let delivered = runtime.block_on(self.run(stopping));
        // Messages that are still being sent do not hold up the stop.
        runtime.shutdown_background();
        delivered
    }

    async fn run(&self, mut stopping: Stopping) -> io::Result<()> {
        let (mut changed, mut tasks) = (self.changed.subscribe(), JoinSet::new());
        loop {
            changed.borrow_and_update();
            let kept = self.start(&stopping, &mut tasks);
            let forgotten = self.store.keep_destinations(kept).await;
            let again = match forgotten {
                Ok(()) | Err(StoreError::Closed) => Duration::MAX,
                Err(error) => {
                    log!(WEBHOOKS_NOT_FORGOTTEN, %error);
                    STORE_AGAIN
                }
            };
            loop {
                tokio::select! {
                    biased;
                    () = stopping.begin() => {
                        while let Some(ended) = tasks.join_next().await {
                            ended.map_err(io::Error::other)?;
                        }
                        return Ok(());
                    }
                    Some(ended) = tasks.join_next() => ended.map_err(io::Error::other)?,
                    Ok(()) = changed.changed() => break,
                    () = until(again) => break,
                }
            }
        }
    }

    /// Starts the tasks of new destinations. Returns all destinations.
    fn start(&self, stopping: &Stopping, tasks: &mut JoinSet<()>) -> Vec<DestinationId> {
        let mut destinations = self.destinations();
        for (destination, commands) in std::mem::take(&mut destinations.new) {
            let (store, clock, stopping) = (Arc::clone(&self.store), self.clock.clone(), stopping.clone());
            tasks.spawn(Delivery { store, clock, destination, commands, stopping }.run());
        }
        destinations.all.keys().cloned().collect()
    }
}
