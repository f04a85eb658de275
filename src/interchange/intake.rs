//! Taking many lines in: checking them all, or applying them with many on their way at once.

use std::collections::{HashMap, VecDeque};

use super::{ApplyError, Applying, Line, apply, apply::check, read_line};
use crate::{
    domain::{AppId, ChatGroupId, Limits},
    store::{Store, StoreError},
};

/// How many lines are on their way into the store at once: they share commits.
const AT_ONCE: usize = 512;
/// And how many bytes of lines, which bounds the memory they take.
const BYTES_AT_ONCE: usize = 4 << 20;
/// How many faults are told one by one.
const FAULTS: usize = 1_000;

/// The longest line. One of the heaviest owner has some 20 MiB.
pub const LONGEST_LINE: usize = 24 << 20;

/// What to do with lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Say what they would be refused for, and change nothing.
    Check,
    /// Apply them.
    Apply,
}

/// What lines are taken with.
pub struct Terms<'a> {
    /// What to do.
    pub purpose: Purpose,
    /// The limits of an app's owners.
    pub limits: Box<dyn Fn(AppId) -> Limits + Send + Sync + 'a>,
    /// The one app lines may be about; any when there is none.
    pub only: Option<AppId>,
}

/// What became of lines so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome<P> {
    /// Lines that were taken, blank ones not counted.
    pub lines: u64,
    /// Lines that changed something.
    pub changed: u64,
    /// The first faults, by their places in the order of the lines.
    pub faults: Vec<(P, String)>,
    /// How many more there are.
    pub more_faults: u64,
}

/// Lines on their way in; `P` is how the caller names the place of one.
pub struct Intake<'a, P> {
    store: &'a dyn Store,
    terms: Terms<'a>,
    on_their_way: VecDeque<(P, usize, Applying<'a>)>,
    bytes: usize,
    /// Chat groups that the lines checked so far would bring to life, or destroy.
    lives: HashMap<(AppId, ChatGroupId), bool>,
    outcome: Outcome<P>,
}

impl<'a, P: Clone + Default> Intake<'a, P> {
    /// An intake into `store`.
    #[must_use]
    pub fn new(store: &'a dyn Store, terms: Terms<'a>) -> Intake<'a, P> {
        Intake {
            store,
            terms,
            on_their_way: VecDeque::new(),
            bytes: 0,
            lives: HashMap::new(),
            outcome: Outcome::default(),
        }
    }

    /// Takes one line; a blank one is passed over, a bad one noted.
    ///
    /// # Errors
    /// When the store fails; what was taken before may be applied.
    pub async fn take(&mut self, place: P, text: &[u8]) -> Result<(), StoreError> {
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        self.outcome.lines += 1;
        let line = match read_line(text) {
            Ok(line) => line,
            Err(reason) => return self.refuse(place, reason).await,
        };
        if let Some(only) = self.terms.only.filter(|only| *only != line.app()) {
            let reason =
                format!("the line is about app {}, but only lines about app {only} are taken", line.app());
            return self.refuse(place, reason).await;
        }
        let limits = (self.terms.limits)(line.app());
        let applying = match (self.terms.purpose, line) {
            (Purpose::Apply, line) => apply(self.store, line, limits),
            (Purpose::Check, Line::Organizer(line)) => check(self.store, line, limits, &self.lives),
            (Purpose::Check, Line::ChatGroup { app, id, group }) => {
                return self.note_life(app, id, group.profile.is_some()).await;
            }
            (Purpose::Check, Line::Account { .. }) => return Ok(()),
        };
        self.bytes += text.len();
        self.on_their_way.push_back((place, text.len(), applying));
        while self.on_their_way.len() >= AT_ONCE || self.bytes > BYTES_AT_ONCE {
            self.finish_one().await?;
        }
        Ok(())
    }

    /// Notes a bad line, or one that could not even be read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refuse(&mut self, place: P, reason: String) -> Result<(), StoreError> {
        // Faults are told in the order of the lines.
        while !self.on_their_way.is_empty() {
            self.finish_one().await?;
        }
        self.note(place, reason);
        Ok(())
    }

    /// What became of the lines that are finished.
    #[must_use]
    pub fn so_far(&self) -> &Outcome<P> {
        &self.outcome
    }

    /// Waits for all lines, and tells what became of them.
    ///
    /// # Errors
    /// When the store fails; what was taken before may be applied.
    pub async fn end(mut self) -> Result<Outcome<P>, StoreError> {
        while !self.on_their_way.is_empty() {
            self.finish_one().await?;
        }
        Ok(self.outcome)
    }

    async fn finish_one(&mut self) -> Result<(), StoreError> {
        let Some((place, bytes, applying)) = self.on_their_way.pop_front() else { return Ok(()) };
        self.bytes -= bytes;
        match applying.await {
            Ok(changed) => self.outcome.changed += u64::from(changed),
            Err(ApplyError::Refused(reason)) => self.note(place, reason),
            Err(ApplyError::Store(error)) => return Err(error),
        }
        Ok(())
    }

    fn note(&mut self, place: P, reason: String) {
        match self.outcome.faults.len() < FAULTS {
            true => self.outcome.faults.push((place, reason)),
            false => self.outcome.more_faults += 1,
        }
    }

    /// Keeps in mind whether a chat group would live, where that is news to the store.
    async fn note_life(&mut self, app: AppId, id: ChatGroupId, alive: bool) -> Result<(), StoreError> {
        let found = self.store.chat_groups(app, vec![id.clone()]).await?;
        let now = found.first().and_then(Option::as_ref).is_none_or(|group| group.profile.is_some());
        match alive == now {
            true => self.lives.remove(&(app, id)),
            false => self.lives.insert((app, id), alive),
        };
        Ok(())
    }
}
