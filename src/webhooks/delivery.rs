//! Delivers the events of an app to one receiver: reads the feed, sends, and stores how far each lane has come.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
};

use super::{
    destination::{CONCURRENT, Command, Destination},
    lanes::{Due, Lanes, Turn},
    message::Message,
    sending::{Outcome, Sender, Verdict},
    settings::REQUEST_OVER_LIMIT,
};
use crate::{
    background::Stopping,
    clock::Clock,
    log_lines::log,
    random,
    store::{FeedFrom, Progress, Store, StoreError},
    wire::kind_of,
};

/// About how many events are read at a time.
const READ: usize = 64;
/// How long what has happened may stay unstored. After a crash, the events since then are sent again.
const STORE_WITHIN: Duration = Duration::from_millis(500);
/// How long to wait after the feed was read in vain. Changes of other apps, too, cause a reading, and each webhook reads for
/// itself.
const READ_AGAIN: Duration = Duration::from_millis(10);
/// How long to wait after a failure of the store.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// How often lanes without events are stored.
const STORE_POSITIONS: Duration = Duration::from_secs(3_600);
/// How often the wall clock is looked at while something waits, because it can be set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);
/// How often failed attempts are logged, at most.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The task that delivers events to a receiver.
pub(super) struct Delivery {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) destination: Arc<Destination>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) stopping: Stopping,
}

/// Waits for this time to pass.
#[expect(clippy::disallowed_methods, reason = "events are due at a time")]
pub(super) async fn until(time: Duration) {
    tokio::time::sleep(time).await;
}

/// An answer of the receiver, and the life of the lanes to which the event belongs.
struct Answered {
    generation: u64,
    due: Due,
    outcome: Outcome,
}

/// The state of a running task.
struct Running {
    delivery: Delivery,
    lanes: Lanes,
    /// How often the lanes began again because the app has another life.
    generation: u64,
    sender: Sender,
    /// What is being sent. Messages that are not about an event have no answer that matters.
    sending: JoinSet<Option<Answered>>,
    /// What is being stored. Meanwhile, everything else goes on.
    storing: JoinSet<(Progress, Result<(), StoreError>)>,
    /// When what has happened was last stored, and when the feed may be read again, by the monotonic clock.
    stored: Duration,
    positions_stored: Duration,
    read_after: Duration,
    /// When a failed attempt was last logged, by the monotonic clock.
    logged: Option<Duration>,
}

impl Delivery {
    /// Delivers events until the server stops or the webhook is removed.
    pub(super) async fn run(mut self) {
        let Some(lanes) = self.open().await else { return };
        let mut changes = self.store.changes();
        let sender = Sender::new(&self.destination.settings(), CONCURRENT);
        let mut stopping = self.stopping.clone();
        let running = Running {
            delivery: self,
            lanes,
            generation: 0,
            sender,
            sending: JoinSet::new(),
            storing: JoinSet::new(),
            stored: Duration::ZERO,
            positions_stored: Duration::ZERO,
            read_after: Duration::ZERO,
            logged: None,
        };
        running.go_on(&mut changes, &mut stopping).await;
    }

    /// Reads the stored state, as soon as the store can be read. Returns `None` if the task has to end before.
    async fn open(&mut self) -> Option<Lanes> {
        let id = self.destination.settings().id.clone();
        loop {
            match self.store.destination(id.clone()).await {
                Ok(state) => {
                    self.destination.given_up.store(state.given_up as u64, Ordering::Relaxed);
                    return Some(Lanes::of(&state));
                }
                Err(StoreError::Closed) => return None,
                Err(error) => {
                    log!(WEBHOOK_UNREAD, app = id.app.number(), webhook = &*id.name, %error);
                }
            }
            tokio::select! {
                () = self.stopping.begin() => return None,
                () = until(STORE_AGAIN) => {}
            }
        }
    }
}

impl Running {
    async fn go_on(mut self, changes: &mut watch::Receiver<u64>, stopping: &mut Stopping) {
        loop {
            while let Some(sent) = self.sending.try_join_next() {
                self.take_answer(sent);
            }
            // Everything below uses the same time, so that nothing becomes due unnoticed in between.
            let now = self.delivery.clock.now_in_milliseconds();
            self.lanes.note_time(now);
            self.read(changes, now).await;
            self.send_due(now);
            self.store(false);
            self.publish();
            let wait = self.wait(now);
            tokio::select! {
                biased;
                () = stopping.begin() => break,
                command = self.delivery.commands.recv() => match command {
                    Some(Command::Settings) => {
                        self.sender = Sender::new(&self.delivery.destination.settings(), CONCURRENT);
                    }
                    Some(Command::Enable) => self.lanes.enable(),
                    Some(Command::Send(message)) => self.send_once(message),
                    // Nothing is stored, because a webhook with this name may have been added again.
                    Some(Command::End) => return,
                    None => break,
                },
                Some(sent) = self.sending.join_next() => self.take_answer(sent),
                Some(stored) = self.storing.join_next() => self.note_stored(stored),
                Ok(()) = changes.changed() => self.lanes.note_changes(),
                () = until(wait) => {}
            }
        }
        self.finish().await;
    }

    fn log_name(&self) -> (u32, String) {
        let webhook = self.delivery.destination.settings();
        (webhook.id.app.number(), webhook.id.name.to_string())
    }

    /// Reads further events for the lanes that have none.
    async fn read(&mut self, changes: &mut watch::Receiver<u64>, now: u64) {
        let Delivery { store, clock, destination, .. } = &self.delivery;
        let elapsed = clock.elapsed();
        if elapsed < self.read_after {
            return;
        }
        let app = destination.settings().id.app;
        // Changes that are committed from now on cause another read.
        if changes.has_changed().unwrap_or(false) {
            drop(changes.borrow_and_update());
            self.lanes.note_changes();
        }
        if let Some(cursor) = self.lanes.cursor(now) {
            match store.feed(app, FeedFrom::Own(cursor.clone()), READ).await {
                Ok(part) => {
                    if part.entries.is_empty() && !part.has_more {
                        self.read_after = elapsed + READ_AGAIN;
                    }
                    match self.lanes.fill(&cursor, part) {
                        Some(0) => {}
                        Some(lanes) => {
                            let (app, webhook) = self.log_name();
                            log!(WEBHOOK_MISSED_EVENTS, app, webhook, lanes);
                        }
                        None => return self.begin_again().await,
                    }
                }
                Err(error) => {
                    let (app, webhook) = self.log_name();
                    log!(WEBHOOK_UNREAD, app, webhook, %error);
                    self.read_after = elapsed + STORE_AGAIN;
                }
            }
        }
    }

    /// Continues with the stored lanes, because the app has another life.
    async fn begin_again(&mut self) {
        let Delivery { store, clock, destination, .. } = &self.delivery;
        match store.destination(destination.settings().id.clone()).await {
            Ok(state) => {
                self.lanes = Lanes::of(&state);
                destination.given_up.store(state.given_up as u64, Ordering::Relaxed);
                self.generation += 1;
            }
            Err(_) => self.read_after = clock.elapsed() + STORE_AGAIN,
        }
    }

    /// Starts to send what is due.
    fn send_due(&mut self, now: u64) {
        let webhook = self.delivery.destination.settings();
        let wants = |entry: &_| webhook.kinds.contains(&kind_of(entry));
        while let Some(due) = self.lanes.take(now, CONCURRENT, wants) {
            let (destination, sender) = (Arc::clone(&self.delivery.destination), self.sender.clone());
            let (clock, generation) = (self.delivery.clock.clone(), self.generation);
            self.sending.spawn(async move {
                let outcome = destination.send(sender, Message::of(&due.placed.entry), &clock).await;
                Some(Answered { generation, due, outcome })
            });
        }
    }

    /// Sends a message that is not about an event. It is not sent again.
    fn send_once(&mut self, message: Message) {
        let destination = Arc::clone(&self.delivery.destination);
        if destination.settings().kinds.contains(&REQUEST_OVER_LIMIT) && !self.lanes.summary().is_off {
            let (sender, clock) = (self.sender.clone(), self.delivery.clock.clone());
            self.sending.spawn(async move {
                destination.send(sender, message, &clock).await;
                None
            });
        }
    }

    fn take_answer(&mut self, sent: Result<Option<Answered>, JoinError>) {
        let answered = sent.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let Some(Answered { generation, due, outcome }) = answered else { return };
        if generation != self.generation {
            return;
        }
        let clock = &self.delivery.clock;
        let (now, elapsed) = (clock.now_in_milliseconds(), clock.elapsed());
        let turn = self.lanes.answered(&due, &outcome, now, random::fraction());
        let (app, webhook) = self.log_name();
        let why = outcome.verdict.reason();
        match turn {
            Turn::GoOn if outcome.verdict == Verdict::Delivered => {}
            Turn::GoOn => {
                if self.logged.is_none_or(|logged| elapsed >= logged + LOG_EVERY) {
                    self.logged = Some(elapsed);
                    log!(WEBHOOK_FAILED, app, webhook, why);
                }
            }
            Turn::Resumed => log!(WEBHOOK_RESUMED, app, webhook),
            Turn::GaveUp => {
                self.delivery.destination.count_given_up();
                log!(WEBHOOK_GAVE_UP, app, webhook, event = Message::of(&due.placed.entry).id, why);
            }
            Turn::Paused => log!(WEBHOOK_PAUSED, app, webhook, why),
            Turn::Off => log!(WEBHOOK_OFF[webhook, app]),
        }
    }

    /// Stores what has happened, at once if `must`, and otherwise together with what happens shortly afterwards.
    fn store(&mut self, must: bool) {
        let Delivery { store, clock, destination, .. } = &self.delivery;
        let elapsed = clock.elapsed();
        if must || elapsed >= self.positions_stored + STORE_POSITIONS {
            self.positions_stored = elapsed;
            self.lanes.note_positions();
        }
        let is_early = !must && elapsed < self.stored + STORE_WITHIN;
        if self.lanes.changes() == 0 || is_early || !self.storing.is_empty() {
            return;
        }
        self.stored = elapsed;
        let (store, id) = (Arc::clone(store), destination.settings().id.clone());
        let progress = self.lanes.take_progress();
        self.storing.spawn(async move {
            let stored = store.progress(id, progress.clone()).await;
            (progress, stored)
        });
    }

    fn note_stored(&mut self, stored: Result<(Progress, Result<(), StoreError>), JoinError>) {
        let (progress, stored) = stored.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        if let Err(error) = stored {
            self.lanes.restore_progress(progress);
            let (app, webhook) = self.log_name();
            log!(WEBHOOK_NOT_STORED, app, webhook, %error);
        }
    }

    fn publish(&self) {
        self.delivery.destination.publish(self.lanes.summary());
    }

    /// Returns how long to wait unless something happens.
    fn wait(&mut self, now: u64) -> Duration {
        let elapsed = self.delivery.clock.elapsed();
        if elapsed >= self.read_after && self.lanes.cursor(now).is_some() {
            // There is more to read. What was read last may have held nothing for the lanes that need events.
            return Duration::ZERO;
        }
        let due = self.lanes.next_due(now).map(|due| Duration::from_millis(due - now).min(LOOK_AT_CLOCK));
        let may_store = self.lanes.changes() > 0 && self.storing.is_empty();
        let store = may_store.then(|| (self.stored + STORE_WITHIN).saturating_sub(elapsed));
        let read = (self.read_after > elapsed).then(|| self.read_after.saturating_sub(elapsed));
        [due, store, read].into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    async fn finish_storing(&mut self) {
        while let Some(stored) = self.storing.join_next().await {
            self.note_stored(stored);
        }
    }

    /// Waits for the answers to what was sent, as long as the time permits, and stores everything.
    async fn finish(mut self) {
        let left = self.delivery.stopping.by().map_or(STORE_WITHIN, |by| by.left().mul_f32(0.5));
        let answers = async {
            while self.lanes.is_sending() {
                let Some(sent) = self.sending.join_next().await else { break };
                self.take_answer(sent);
            }
        };
        // What is not answered in time is sent again after the next start.
        let _ = tokio::time::timeout(left, answers).await;
        // What is being stored at this moment does not include the latest answers.
        self.finish_storing().await;
        self.store(true);
        self.finish_storing().await;
        self.publish();
    }
}
