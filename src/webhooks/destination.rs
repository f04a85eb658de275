//! What the task of a receiver shares with others.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use tokio::{sync::mpsc, task};

use super::{
    message::Message,
    sending::{Outcome, Sender, Verdict},
    settings::Webhook,
    summary::Summary,
};
use crate::{clock::Clock, store::MAX_GIVEN_UP};

/// How many messages are sent to one receiver at a time.
pub(super) const CONCURRENT: usize = 8;

/// What a receiver's task shares with others.
#[derive(Debug)]
pub(super) struct Destination {
    settings: RwLock<Arc<Webhook>>,
    summary: Mutex<Summary>,
    /// The number of events that were given up.
    pub(super) given_up: AtomicU64,
    /// Messages that were delivered, and attempts that failed.
    pub(super) delivered: AtomicU64,
    pub(super) failed: AtomicU64,
    commands: mpsc::UnboundedSender<Command>,
}

/// What the task is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Read the settings again.
    Settings,
    /// Send at once, even if the destination is off or paused.
    Enable,
    /// Send a message once that is not about an event.
    Send(Message),
    /// Stop, because the webhook was removed.
    End,
}

impl Destination {
    pub(super) fn new(webhook: Webhook) -> (Arc<Destination>, mpsc::UnboundedReceiver<Command>) {
        let (commands, received) = mpsc::unbounded_channel();
        let destination = Destination {
            settings: RwLock::new(Arc::new(webhook)),
            summary: Mutex::default(),
            given_up: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            commands,
        };
        (Arc::new(destination), received)
    }

    pub(super) fn settings(&self) -> Arc<Webhook> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, webhook: Webhook) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(webhook);
        self.ask(Command::Settings);
    }

    pub(super) fn publish(&self, summary: Summary) {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
    }

    pub(super) fn summary(&self) -> Summary {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an event that was given up. If the list is full, the oldest one makes room.
    pub(super) fn count_given_up(&self) {
        let more = |count: u64| Some((count + 1).min(MAX_GIVEN_UP as u64));
        let _ = self.given_up.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Asks the task to do something. If the task has ended, nothing is left to do.
    pub(super) fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Sends a message on a thread for work that blocks, and counts the result.
    pub(super) async fn send(&self, sender: Sender, message: Message, clock: &Clock) -> Outcome {
        let (webhook, now) = (self.settings(), clock.now());
        let sent = task::spawn_blocking(move || sender.send(&message.signed(&webhook, now))).await;
        // The task panics only because of a defect, which the log names.
        let failed = |_| Outcome { verdict: Verdict::Unreachable("a defect".to_owned()), rest: None };
        let outcome = sent.unwrap_or_else(failed);
        let is_delivered = outcome.verdict == Verdict::Delivered;
        let count = if is_delivered { &self.delivered } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
        outcome
    }
}
