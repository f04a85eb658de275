//! Imports or checks many lines that arrive in pieces. A check reads all lines; an import stops at the
//! first bad one. Many lines are in progress at once.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io::{self, Read},
};

use super::{
    ApplyError, Applying, Line, OrganizerLine, apply,
    apply::{check, effect_on_chat_group, import_of},
    encoding::{foreign, without_mark},
    read_line,
    terms::{ImportReport, ImportTerms, IntakeError, Purpose},
    unfinished_line::{LONGEST_LINE, UnfinishedLine},
};
use crate::{
    domain::{
        self, AppId, ChatGroupEdit, ChatGroupId, ChatGroupLife, ChatGroupState, ChatGroupWorld, Edit,
        MAX_NUMBER, WantedMembers,
    },
    store::{Store, StoreError},
};

/// The maximum number of lines in progress. They share commits.
const AT_ONCE: usize = 512;
/// The maximum size of the lines in progress, which bounds the memory they use.
const BYTES_AT_ONCE: usize = 4 << 20;
/// From this incarnation on, a check remembers a chat group between lines, because the lines could use up the
/// remaining numbers.
const NEAR_THE_END: u32 = MAX_NUMBER - (1 << 20);

/// Imports or checks all lines of `input`, and returns the result.
///
/// # Errors
/// Returns [`IntakeError`].
pub async fn take_in(
    store: &dyn Store,
    terms: ImportTerms,
    mut input: impl Read,
) -> Result<ImportReport, IntakeError> {
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

/// An import or check in progress.
pub struct Intake<'a> {
    store: &'a dyn Store,
    terms: ImportTerms,
    line: UnfinishedLine,
    /// The number of complete lines so far.
    ended: u64,
    in_progress: VecDeque<(u64, usize, Applying<'a>)>,
    bytes: usize,
    /// Chat groups that the lines checked so far would create, destroy, or bring near their last incarnation.
    lives: HashMap<(AppId, ChatGroupId), ChatGroupLife>,
    /// Whether the lines in progress are about chat groups.
    after_chat_group: bool,
    /// Whether the text turned out not to consist of lines.
    is_foreign: bool,
    outcome: ImportReport,
}

impl<'a> Intake<'a> {
    /// Starts an import into `store`, or a check against it.
    #[must_use]
    pub fn new(store: &'a dyn Store, terms: ImportTerms) -> Intake<'a> {
        Intake {
            store,
            terms,
            line: UnfinishedLine::default(),
            ended: 0,
            in_progress: VecDeque::new(),
            bytes: 0,
            lives: HashMap::new(),
            after_chat_group: false,
            is_foreign: false,
            outcome: ImportReport::default(),
        }
    }

    /// Takes the next piece of the text, and processes all lines that it completes. Blank lines are skipped, and bad
    /// ones are recorded.
    ///
    /// # Errors
    /// Fails if the store fails. Earlier lines may have been applied.
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

    /// Returns whether the rest of the text is ignored, because an import met a bad line or the text does not consist
    /// of lines.
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
        // Reuse the allocation for the next line.
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
                format!("the line is about app {}, but only lines about app {only} are accepted", line.app());
            return self.refuse(number, reason).await;
        }
        let terms = domain::Terms::of_tools(self.terms.limits, self.terms.clock.now());
        let applying = match (self.terms.purpose, line) {
            (Purpose::Apply, line) => {
                self.wait_for_chat_groups(&line).await?;
                apply(self.store, line, terms, self.terms.context.clone())
            }
            (Purpose::Check, Line::Organizer(OrganizerLine { owner, restoration })) => {
                check(self.store, owner, Edit::Restore(restoration), terms, &self.lives)
            }
            (Purpose::Check, Line::Account { owner, account }) => {
                check(self.store, owner, import_of(account), terms, &self.lives)
            }
            (Purpose::Check, Line::Sessions(line)) => {
                check(self.store, line.owner.clone(), line.edit(), terms, &self.lives)
            }
            (Purpose::Check, Line::ChatGroup { app, id, state, last: _ }) => {
                return match self.remember_life(app, id, state, &terms).await? {
                    Ok(()) => Ok(()),
                    Err(reason) => self.refuse(number, reason).await,
                };
            }
        };
        self.bytes += text.len();
        self.in_progress.push_back((number, text.len(), applying));
        while self.in_progress.len() >= AT_ONCE || self.bytes > BYTES_AT_ONCE {
            self.finish_one().await?;
        }
        Ok(())
    }

    /// A line about an owner may need a chat group of an earlier line, but edits of different owners and chat groups are
    /// made in any order. Therefore, all lines about chat groups must be finished before a line about an owner begins,
    /// and vice versa.
    async fn wait_for_chat_groups(&mut self, line: &Line) -> Result<(), StoreError> {
        let is_chat_group = matches!(line, Line::ChatGroup { .. });
        if is_chat_group != self.after_chat_group {
            while !self.in_progress.is_empty() {
                self.finish_one().await?;
            }
            self.after_chat_group = is_chat_group;
        }
        Ok(())
    }

    async fn refuse(&mut self, number: u64, reason: String) -> Result<(), StoreError> {
        // Faults are reported in the order of the lines.
        while !self.in_progress.is_empty() {
            self.finish_one().await?;
        }
        self.outcome.note_fault(number, reason);
        Ok(())
    }

    /// Waits for all lines and returns the result.
    ///
    /// # Errors
    /// Fails if the store fails. Earlier lines may have been applied.
    pub async fn end(mut self) -> Result<ImportReport, StoreError> {
        if !self.is_over() {
            self.finish_line().await?;
        }
        while !self.in_progress.is_empty() {
            self.finish_one().await?;
        }
        Ok(self.outcome)
    }

    async fn finish_one(&mut self) -> Result<(), StoreError> {
        let Some((number, bytes, applying)) = self.in_progress.pop_front() else { return Ok(()) };
        self.bytes -= bytes;
        match applying.await {
            Ok(effect) => {
                self.outcome.changed += u64::from(effect.changed);
                self.outcome.tally.count(effect.about);
            }
            Err(ApplyError::Refused(reason)) => self.outcome.note_fault(number, reason),
            Err(ApplyError::Store(error)) => return Err(error),
        }
        Ok(())
    }

    /// Checks a line about a chat group and counts its effect, or returns why the line would be refused. The state in
    /// which the line would leave the group is remembered for later lines, unless they can derive it from the store.
    async fn remember_life(
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
        let world = ChatGroupWorld { terms, imported: &HashSet::new(), members, exits: &[] };
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

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
