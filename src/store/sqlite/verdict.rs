//! The reaction of the writer if damage makes an attempt fail.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use super::{events, job::Job, operations, writer::WriterThread};
use crate::{
    domain::{AppId, ChatGroupId, Owner},
    excerpt::quoted,
    log_lines::log,
    store::{Damaged, StoreError},
};

/// How often the tables of events and of keys are replaced while the store is open.
const MAX_RENEWALS: u32 = 3;

/// The job that made an attempt fail, or the owner if all changes of one owner did.
pub(super) enum Culprit {
    Job(usize),
    Owner(Owner),
}

/// The reaction to damage that made a transaction fail.
pub(super) enum Verdict {
    /// Refuse the culprit and run the other jobs again.
    Refuse(StoreError),
    /// Write this owner to a separate table. Their data is undamaged, but damage near it prevents changes.
    PutAside(Owner),
    /// Run all jobs again, with the newly found damage taken into account.
    Retry,
}

impl WriterThread {
    /// Finds out which data is damaged after a transaction failed, and decides how to continue.
    pub(super) fn examine(
        &mut self,
        by: &Culprit,
        jobs: &VecDeque<Job>,
        aside: &HashSet<Owner>,
        error: StoreError,
    ) -> Verdict {
        let health = Arc::clone(&self.shared.health);
        match error {
            StoreError::Damaged { what: Damaged::Directory(app), .. }
                if self.finds_new_damage(app, by, jobs) =>
            {
                return Verdict::Retry;
            }
            StoreError::Damaged { what: Damaged::Events, .. } if self.gives_up_events(&error) => {
                return Verdict::Retry;
            }
            StoreError::Damaged { what: Damaged::Keys(ref owner), .. }
                if self.gives_up_keys(owner, &error) =>
            {
                return Verdict::Retry;
            }
            StoreError::Damaged { what: Damaged::Database | Damaged::Events, .. } => {}
            error => {
                health.note(&error);
                return Verdict::Refuse(error);
            }
        }
        if let Some((app, id)) = by.chat_group(jobs) {
            let error =
                StoreError::Damaged { what: Damaged::ChatGroup(app, id.clone()), reason: error.to_string() };
            health.note(&error);
            return Verdict::Refuse(error);
        }
        if let Some(owner) = by.owner(jobs) {
            match self.rows().owner(owner) {
                Err(found @ StoreError::Damaged { .. }) => {
                    health.note(&found);
                    return Verdict::Refuse(found);
                }
                Ok(_) if !aside.contains(owner) => return Verdict::PutAside(owner.clone()),
                _ => {}
            }
        }
        match by.job(jobs) {
            Some(Job::Probe(_)) if health.note_probe_damaged() => Verdict::Retry,
            // These jobs concern the whole database or other tables, so their failure does not show that edits of owners
            // fail, too.
            Some(Job::Filled(_) | Job::Reset(..) | Job::Delivery(_)) => Verdict::Refuse(error),
            _ => {
                health.note_unwritable(&error);
                Verdict::Refuse(error)
            }
        }
    }

    /// Gives up the recorded events because of damage to them. Returns false if that is not possible.
    pub(super) fn gives_up_events(&mut self, error: &StoreError) -> bool {
        self.shared.health.note(error);
        // If new tables are damaged as well, the reason is elsewhere.
        if self.renewals == MAX_RENEWALS {
            return false;
        }
        self.renewals += 1;
        self.head = None;
        let given_up = events::give_up(&self.db, self.clock.now_in_milliseconds());
        if let Err(error) = &given_up {
            log!(EVENTS_NOT_GIVEN_UP, %error);
        }
        self.shared.health.note_events_given_up();
        given_up.is_ok()
    }

    /// Gives up the keys of an owner because they are damaged, or the keys of all owners if only that is possible.
    /// With damaged keys, no call with a key would succeed, and the account could not be deleted. Returns false if
    /// neither is possible.
    fn gives_up_keys(&mut self, owner: &Owner, error: &StoreError) -> bool {
        // Each attempt has to delete a row, so that attempts are not repeated without end.
        if operations::forget(&self.db, owner).is_ok_and(|deleted| deleted > 0) {
            log!(KEYS_GIVEN_UP[quoted(owner.user.as_str()), owner.app], %error);
            return true;
        }
        if self.renewals == MAX_RENEWALS {
            return false;
        }
        self.renewals += 1;
        log!(ALL_KEYS_GIVEN_UP, %error);
        operations::renew(&self.db, self.clock.now_in_milliseconds()).is_ok()
    }

    /// Looks up one by one the accounts and chat groups that an edit needs. Returns true if this reveals damage that
    /// was not known before.
    fn finds_new_damage(&self, app: AppId, by: &Culprit, jobs: &VecDeque<Job>) -> bool {
        let Culprit::Job(index) = by else { return false };
        let Some(Job::Owner { write, presences, .. }) = jobs.get(*index) else { return false };
        let named = self.rows().finds_damage_among(app, write.required_member(), presences.keys());
        self.rows().finds_damage_around(&write.owner) || named
    }
}

impl Culprit {
    /// Returns the job, if a single job failed.
    fn job<'a>(&self, jobs: &'a VecDeque<Job>) -> Option<&'a Job> {
        match self {
            Culprit::Job(index) => jobs.get(*index),
            Culprit::Owner(_) => None,
        }
    }

    /// Returns the chat group that the job edits.
    fn chat_group<'a>(&self, jobs: &'a VecDeque<Job>) -> Option<(AppId, &'a ChatGroupId)> {
        match self.job(jobs)? {
            Job::ChatGroup { write, .. } => Some((write.app, &write.id)),
            _ => None,
        }
    }

    /// Returns the owner that the jobs edit.
    fn owner<'a>(&'a self, jobs: &'a VecDeque<Job>) -> Option<&'a Owner> {
        match self {
            Culprit::Owner(owner) => Some(owner),
            Culprit::Job(_) => match self.job(jobs)? {
                Job::Owner { write, .. } => Some(&write.owner),
                _ => None,
            },
        }
    }

    /// Checks whether the given job, with the index `index`, is one of those that failed.
    pub(super) fn is(&self, index: usize, job: &Job) -> bool {
        match (self, job) {
            (Culprit::Job(culprit), _) => index == *culprit,
            (Culprit::Owner(culprit), Job::Owner { write, .. }) => write.owner == *culprit,
            (Culprit::Owner(_), _) => false,
        }
    }
}
