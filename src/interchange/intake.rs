//! Taking many lines in, piece by piece: checking them all, or applying them up to the first bad one,
//! with many on their way at once.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io::{self, Read},
};

use super::{
    ApplyError, Applying, Line, OrganizerLine, Tally, apply,
    apply::{check, effect_on_chat_group, import_of},
    encoding::{foreign, without_mark},
    line::LONGEST_LINE,
    read_line,
};
use crate::{
    clock::Clock,
    domain::{
        self, AppId, ChatGroupEdit, ChatGroupId, ChatGroupLife, ChatGroupState, ChatGroupWorld, Edit, Limits,
        MAX_NUMBER, WantedMembers,
    },
    store::{Store, StoreError},
    wire::UnknownFields,
};

/// How many lines are on their way into the store at once: they share commits.
const AT_ONCE: usize = 512;
/// And how many bytes of lines, which bounds the memory they take.
const BYTES_AT_ONCE: usize = 4 << 20;
/// How many faults are told one by one.
const FAULTS: usize = 1_000;

/// So near to its end the incarnation of a chat group is remembered from line to line: lines may use up the rest.
const NEAR_THE_END: u32 = MAX_NUMBER - (1 << 20);

/// What to do with lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Say what they would be refused for, and change nothing.
    Check,
    /// Apply them, up to the first bad one.
    Apply,
}

/// What lines are taken with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What to do.
    pub purpose: Purpose,
    /// The limits of owners.
    pub limits: Limits,
    /// The one app lines may be about; any when there is none.
    pub only: Option<AppId>,
    /// What becomes of fields that a line cannot have.
    pub unknown: UnknownFields,
    /// What time it is when a line is taken: many lines take long.
    pub clock: Clock,
}

/// What became of lines so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lines that were taken, blank ones not counted.
    pub lines: u64,
    /// Lines that changed something.
    pub changed: u64,
    /// The first faults, in the order of the lines: the number of each, from 1 on, and what is wrong.
    pub faults: Vec<(u64, String)>,
    /// How many more there are.
    pub more_faults: u64,
    /// What they changed, or would change.
    pub tally: Tally,
}

/// Why lines could not be taken in to their end.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// They cannot be read.
    #[error("the lines cannot be read")]
    Input(#[from] io::Error),
    /// The store failed; what was taken before may be applied.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes all lines of `input` into `store`, and tells what became of them.
///
/// # Errors
/// [`IntakeError`].
pub async fn take_in(store: &dyn Store, terms: Terms, mut input: impl Read) -> Result<Outcome, IntakeError> {
    let mut intake = Intake::new(store, terms);
    let mut buffer = vec![0; 1 << 16];
    while !intake.is_over() {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => intake.feed(&buffer[..read]).await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(intake.end().await?)
}

/// Lines on their way in.
pub struct Intake<'a> {
    store: &'a dyn Store,
    terms: Terms,
    line: Unfinished,
    /// How many lines were whole so far.
    ended: u64,
    on_their_way: VecDeque<(u64, usize, Applying<'a>)>,
    bytes: usize,
    /// Chat groups that the lines checked so far would bring to life, destroy, or bring near their last incarnation.
    lives: HashMap<(AppId, ChatGroupId), ChatGroupLife>,
    /// Whether the lines on their way are about chat groups.
    after_chat_group: bool,
    /// Whether the text turned out to be something else than lines.
    is_foreign: bool,
    outcome: Outcome,
}

/// A line of which pieces are here.
#[derive(Default)]
struct Unfinished {
    text: Vec<u8>,
    too_long: bool,
}

impl<'a> Intake<'a> {
    /// An intake into `store`.
    #[must_use]
    pub fn new(store: &'a dyn Store, terms: Terms) -> Intake<'a> {
        Intake {
            store,
            terms,
            line: Unfinished::default(),
            ended: 0,
            on_their_way: VecDeque::new(),
            bytes: 0,
            lives: HashMap::new(),
            after_chat_group: false,
            is_foreign: false,
            outcome: Outcome::default(),
        }
    }

    /// Takes a piece of the text: the lines that are whole by it. Blank ones are passed over, bad ones
    /// noted.
    ///
    /// # Errors
    /// When the store fails; what was taken before may be applied.
    pub async fn feed(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.is_over() {
                break;
            }
            if self.line.add(part) {
                self.finish_line().await?;
            }
        }
        Ok(())
    }

    /// Whether nothing more is taken: something is bad that was to be applied, or the text is not lines at all.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_foreign || (self.terms.purpose == Purpose::Apply && !self.outcome.faults.is_empty())
    }

    async fn finish_line(&mut self) -> Result<(), StoreError> {
        self.ended += 1;
        if std::mem::take(&mut self.line.too_long) {
            return self.refuse(self.ended, format!("the line is longer than {LONGEST_LINE} bytes")).await;
        }
        let mut text = std::mem::take(&mut self.line.text);
        self.take(self.ended, &text).await?;
        // Its room is used again.
        text.clear();
        self.line.text = text;
        Ok(())
    }

    async fn take(&mut self, number: u64, text: &[u8]) -> Result<(), StoreError> {
        if without_mark(text).trim_ascii().is_empty() {
            return Ok(());
        }
        self.outcome.lines += 1;
        if let Some(reason) = foreign(text) {
            self.is_foreign = true;
            return self.refuse(number, reason).await;
        }
        let line = match read_line(text, self.terms.unknown) {
            Ok(line) => line,
            Err(reason) => return self.refuse(number, reason).await,
        };
        if let Some(only) = self.terms.only.filter(|only| *only != line.app()) {
            let reason =
                format!("the line is about app {}, but only lines about app {only} are taken", line.app());
            return self.refuse(number, reason).await;
        }
        let terms = domain::Terms::of_tools(self.terms.limits, self.terms.clock.now());
        let applying = match (self.terms.purpose, line) {
            (Purpose::Apply, line) => {
                self.wait_for_chat_groups(&line).await?;
                apply(self.store, line, terms)
            }
            (Purpose::Check, Line::Organizer(OrganizerLine { owner, restoration })) => {
                check(self.store, owner, Edit::Restore(restoration), terms, &self.lives)
            }
            (Purpose::Check, Line::Account { owner, account }) => {
                check(self.store, owner, import_of(account), terms, &self.lives)
            }
            (Purpose::Check, Line::ChatGroup { app, id, state }) => {
                return match self.note_life(app, id, state, &terms).await? {
                    Ok(()) => Ok(()),
                    Err(reason) => self.refuse(number, reason).await,
                };
            }
        };
        self.bytes += text.len();
        self.on_their_way.push_back((number, text.len(), applying));
        while self.on_their_way.len() >= AT_ONCE || self.bytes > BYTES_AT_ONCE {
            self.finish_one().await?;
        }
        Ok(())
    }

    /// A line about an owner may name a chat group of a line before it, and edits of different owners and chat groups are
    /// made in any order. Therefore lines about chat groups are complete before a line about an owner begins, and the
    /// other way round.
    async fn wait_for_chat_groups(&mut self, line: &Line) -> Result<(), StoreError> {
        let is_chat_group = matches!(line, Line::ChatGroup { .. });
        if is_chat_group != self.after_chat_group {
            while !self.on_their_way.is_empty() {
                self.finish_one().await?;
            }
            self.after_chat_group = is_chat_group;
        }
        Ok(())
    }

    async fn refuse(&mut self, number: u64, reason: String) -> Result<(), StoreError> {
        // Faults are told in the order of the lines.
        while !self.on_their_way.is_empty() {
            self.finish_one().await?;
        }
        self.note(number, reason);
        Ok(())
    }

    /// Waits for all lines, and tells what became of them.
    ///
    /// # Errors
    /// When the store fails; what was taken before may be applied.
    pub async fn end(mut self) -> Result<Outcome, StoreError> {
        if !self.is_over() {
            self.finish_line().await?;
        }
        while !self.on_their_way.is_empty() {
            self.finish_one().await?;
        }
        Ok(self.outcome)
    }

    async fn finish_one(&mut self) -> Result<(), StoreError> {
        let Some((number, bytes, applying)) = self.on_their_way.pop_front() else { return Ok(()) };
        self.bytes -= bytes;
        match applying.await {
            Ok(effect) => {
                self.outcome.changed += u64::from(effect.changed);
                self.outcome.tally.count(effect.about);
            }
            Err(ApplyError::Refused(reason)) => self.note(number, reason),
            Err(ApplyError::Store(error)) => return Err(error),
        }
        Ok(())
    }

    fn note(&mut self, number: u64, reason: String) {
        match self.outcome.faults.len() < FAULTS {
            true => self.outcome.faults.push((number, reason)),
            false => self.outcome.more_faults += 1,
        }
    }

    /// Keeps in mind whether a chat group would live, where that is news to the store; or why it could not.
    async fn note_life(
        &mut self,
        app: AppId,
        id: ChatGroupId,
        line: ChatGroupState,
        terms: &domain::Terms,
    ) -> Result<Result<(), String>, StoreError> {
        let found = self.store.chat_groups(app, vec![id.clone()], WantedMembers::All).await?.pop().flatten();
        let stored = found.as_ref().map(|found| found.group.life());
        let before = self.lives.get(&(app, id.clone())).copied().or(stored);
        let next = match line.group.life().imported_over(before) {
            Ok(next) => next,
            Err(rejection) => return Ok(Err(rejection.to_string())),
        };
        let edit = ChatGroupEdit::Restore { group: line.group, members: line.members };
        let members = found.as_ref().map_or(&[][..], |found| &found.members);
        let world = ChatGroupWorld { terms, imported: &HashSet::new(), members };
        if let Ok(decision) = edit.decide(found.as_ref().map(|found| &found.group), world) {
            self.outcome.tally.count(effect_on_chat_group(&decision.outcome).about);
        }
        let as_stored = next.alive == stored.is_none_or(|stored| stored.alive);
        match as_stored && next.incarnation < NEAR_THE_END {
            true => self.lives.remove(&(app, id)),
            false => self.lives.insert((app, id), next),
        };
        Ok(Ok(()))
    }
}

impl Unfinished {
    /// Adds a part of the line; whether it is whole by that. Of one that is too long only that is
    /// remembered.
    fn add(&mut self, part: &[u8]) -> bool {
        let (text, whole) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
        if self.text.len() + text.len() > LONGEST_LINE {
            self.too_long = true;
            self.text = Vec::new();
        }
        if !self.too_long {
            self.text.extend_from_slice(text);
        }
        whole
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
