//! Edits: every possible change of an owner's data, and the one function that decides them.

use std::sync::Arc;

use super::{
    Account, Change, ChangeNumber, Conversation, Delta, GroupId, GroupName, MarkChange, MemberChange,
    Organizer, OwnerState, ProfileTag, ProfileValue, Rejection, Restoration, SessionChange, Undo, Undone,
    World, accounts, grouping, marking, restore, reversal, session,
};

/// A requested change of an owner's data. Stores run edits without depending on their meaning.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Creates a conversation group with these conversations, or adds them to the existing group of this name.
    CreateGroup {
        /// Its name.
        name: GroupName,
        /// The conversations to add.
        conversations: Vec<Conversation>,
    },
    /// Renames a conversation group.
    RenameGroup {
        /// The current name.
        name: GroupName,
        /// The new name.
        new: GroupName,
    },
    /// Adds conversations to a group and removes them from it.
    ChangeMembers {
        /// The name of the group.
        name: GroupName,
        /// The changes, in the order in which to apply them.
        changes: Vec<(MemberChange, Conversation)>,
    },
    /// Deletes a conversation group.
    DeleteGroup {
        /// Its name.
        name: GroupName,
    },
    /// Sets and clears marks. An item that could not be parsed is an error, which is copied to the outcome.
    Mark {
        /// The items, in the order in which to apply them.
        items: Vec<Result<(Conversation, MarkChange), Rejection>>,
    },
    /// Imports the account or updates its profile; fields that are `None` keep their values.
    ImportAccount {
        /// The nickname.
        nick: Option<String>,
        /// The address of the portrait.
        face_url: Option<String>,
    },
    /// Replaces the account and its whole profile, or imports it.
    RestoreAccount(Account),
    /// Sets fields of the profile, in this order; a value that is `None` clears its field.
    SetProfile(Vec<(ProfileTag, Option<ProfileValue>)>),
    /// Deletes the account and everything the owner organized; the counters stay (decision 9).
    DeleteAccount,
    /// Replaces everything the owner organized with imported groups and records.
    Restore(Restoration),
    /// Reverts what earlier calls changed.
    Undo(Undo),
    /// Pins, unpins and deletes sessions, in this order.
    ChangeSessions(Vec<(Conversation, SessionChange)>),
    /// Panics, to test that stores survive it.
    #[cfg(test)]
    Defect,
}

/// The result of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The result of an edit of one conversation group.
    Grouped(Grouped),
    /// The result of each item of [`Edit::Mark`], in the same order.
    Marked(Vec<Result<(), Rejection>>),
    /// The result of an edit of the account.
    Account {
        /// Whether the account existed before, including accounts that exist without being stored.
        existed: bool,
        /// Whether the stored account changed.
        changed: bool,
    },
    /// The result of [`Edit::Restore`].
    Restored {
        /// The old organizer.
        before: Arc<Organizer>,
        /// The new organizer.
        after: Arc<Organizer>,
        /// Whether the account was imported as well.
        made_known: bool,
    },
    /// The result of [`Edit::Undo`].
    Undone(Undone),
    /// The result of [`Edit::ChangeSessions`].
    Sessions {
        /// Whether any session changed.
        changed: bool,
    },
}

impl Outcome {
    /// Records the id of the event of the edit, if the outcome has one.
    pub fn note_event(&mut self, id: String) {
        if let Outcome::Undone(undone) = self {
            undone.event = Some(id);
        }
    }
}

/// The result of an edit of one conversation group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// The id of the group.
    pub id: GroupId,
    /// The result for each conversation, in the order of the edit.
    pub items: Vec<Result<(), Rejection>>,
}

/// The outcome of an edit, and the change to store. If nothing changes, nothing is written, and all numbers and
/// timestamps stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<T, C> {
    /// The result for the caller.
    pub outcome: T,
    /// The change to store; `None` if nothing changes.
    pub change: Option<C>,
}

impl Edit {
    /// Returns the conversations that the edit names, which [`World::presences`] has to cover.
    #[must_use]
    pub fn named(&self) -> Vec<&Conversation> {
        match self {
            Edit::CreateGroup { conversations, .. } => conversations.iter().collect(),
            Edit::ChangeMembers { changes, .. } => changes.iter().map(|(_, named)| named).collect(),
            Edit::Mark { items } => items.iter().flatten().map(|(named, _)| named).collect(),
            Edit::Restore(restoration) => {
                restoration.records.iter().map(|record| &record.conversation).collect()
            }
            Edit::Undo(undo) => undo.named(),
            Edit::ChangeSessions(items) => items.iter().map(|(named, _)| named).collect(),
            Edit::RenameGroup { .. }
            | Edit::DeleteGroup { .. }
            | Edit::ImportAccount { .. }
            | Edit::RestoreAccount(_)
            | Edit::SetProfile(_)
            | Edit::DeleteAccount => Vec::new(),
            #[cfg(test)]
            Edit::Defect => Vec::new(),
        }
    }

    /// Decides the edit for an owner in this state. `dead` lists the numbers of the records whose chat groups were
    /// disbanded. The edit does not see these records. If it changes anything, they are removed as well (decision 20).
    ///
    /// # Errors
    /// Returns the reason if the whole edit is refused; nothing changes then.
    pub fn decide(
        &self,
        state: &OwnerState,
        dead: &[ChangeNumber],
        world: World<'_>,
    ) -> Result<Decision<Outcome, Change>, Rejection> {
        if dead.is_empty() {
            return self.decide_living(state, world);
        }
        let (organizer, burial) = state.organizer.buried(dead, world.terms.now);
        let buried = OwnerState { account: state.account.clone(), organizer: Arc::new(organizer) };
        let Decision { outcome, change } = self.decide_living(&buried, world)?;
        Ok(Decision { outcome, change: change.map(|change| change.after(burial)) })
    }

    fn decide_living(
        &self,
        state: &OwnerState,
        world: World<'_>,
    ) -> Result<Decision<Outcome, Change>, Rejection> {
        if self.needs_owner() {
            accounts::check_owner(state, world)?;
        }
        let organizer = &*state.organizer;
        let grouped = match self {
            Edit::ImportAccount { nick, face_url } => {
                return Ok(accounts::import(state, nick.as_deref(), face_url.as_deref()));
            }
            Edit::RestoreAccount(account) => return Ok(accounts::replace(state, account.clone())),
            Edit::SetProfile(fields) => return accounts::set_profile(state, fields),
            Edit::DeleteAccount => return accounts::delete(state, world),
            Edit::Restore(restoration) => return restore::restore(state, restoration, world),
            Edit::Mark { items } => {
                let (items, made) = marking::mark(organizer, world, items)?;
                return Ok(decision(state, Outcome::Marked(items), made));
            }
            Edit::Undo(undo) => {
                let (kept, made) = reversal::revert(state, world, undo)?;
                return Ok(decision(state, Outcome::Undone(undo.result(kept, organizer)), made));
            }
            Edit::ChangeSessions(items) => {
                let change = session::change(state, world, items)?;
                return Ok(Decision { outcome: Outcome::Sessions { changed: change.is_some() }, change });
            }
            Edit::CreateGroup { name, conversations } => {
                grouping::create(organizer, world, name, conversations)
            }
            Edit::RenameGroup { name, new } => grouping::rename(organizer, world, name, new),
            Edit::ChangeMembers { name, changes } => {
                grouping::change_members(organizer, world, name, changes)
            }
            Edit::DeleteGroup { name } => grouping::delete(organizer, world, name),
            #[cfg(test)]
            Edit::Defect => panic!("this edit always panics"),
        };
        let (grouped, made) = grouped?;
        Ok(decision(state, Outcome::Grouped(grouped), made))
    }

    /// Checks whether the owner's sessions and the contents of the owner's events are deleted together with the edit,
    /// provided that it is not refused, and even if it changes nothing.
    #[must_use]
    pub fn forgets_owner(&self) -> bool {
        matches!(self, Edit::DeleteAccount)
    }

    /// Checks whether the edit is about sessions, so that [`World::sessions`] has to be given, and membership has to be
    /// looked up.
    #[must_use]
    pub fn is_about_sessions(&self) -> bool {
        matches!(self, Edit::ChangeSessions(_))
    }

    /// Checks whether the edit requires that the owner exists.
    fn needs_owner(&self) -> bool {
        match self {
            Edit::CreateGroup { .. }
            | Edit::RenameGroup { .. }
            | Edit::ChangeMembers { .. }
            | Edit::DeleteGroup { .. }
            | Edit::Mark { .. }
            | Edit::SetProfile(_)
            | Edit::Undo(_) => true,
            // An import restores the sessions of every owner.
            Edit::ChangeSessions(items) => {
                !items.iter().all(|(_, change)| matches!(change, SessionChange::Restore(_)))
            }
            Edit::ImportAccount { .. } | Edit::RestoreAccount(_) | Edit::DeleteAccount | Edit::Restore(_) => {
                false
            }
            #[cfg(test)]
            Edit::Defect => false,
        }
    }
}

/// Builds the decision of an edit that leaves the account as it is.
fn decision(state: &OwnerState, outcome: Outcome, organized: Option<Organized>) -> Decision<Outcome, Change> {
    let change = organized.map(|Organized { next, deltas }| Change {
        next: OwnerState { account: state.account.clone(), organizer: Arc::new(next) },
        deltas,
    });
    Decision { outcome, change }
}

/// A change of the organizer only.
#[derive(Debug)]
pub(super) struct Organized {
    pub(super) next: Organizer,
    pub(super) deltas: Vec<Delta>,
}

/// The outcome has the wrong variant for its edit, which is a defect in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule returned the outcome of a different kind of edit")]
pub struct WrongOutcome;

impl TryFrom<Outcome> for Grouped {
    type Error = WrongOutcome;

    fn try_from(outcome: Outcome) -> Result<Grouped, WrongOutcome> {
        match outcome {
            Outcome::Grouped(grouped) => Ok(grouped),
            _ => Err(WrongOutcome),
        }
    }
}

impl TryFrom<Outcome> for Vec<Result<(), Rejection>> {
    type Error = WrongOutcome;

    fn try_from(outcome: Outcome) -> Result<Self, WrongOutcome> {
        match outcome {
            Outcome::Marked(items) => Ok(items),
            _ => Err(WrongOutcome),
        }
    }
}

impl TryFrom<Outcome> for () {
    type Error = WrongOutcome;

    fn try_from(outcome: Outcome) -> Result<(), WrongOutcome> {
        match outcome {
            Outcome::Sessions { .. } => Ok(()),
            _ => Err(WrongOutcome),
        }
    }
}

impl TryFrom<Outcome> for Undone {
    type Error = WrongOutcome;

    fn try_from(outcome: Outcome) -> Result<Undone, WrongOutcome> {
        match outcome {
            Outcome::Undone(undone) => Ok(undone),
            _ => Err(WrongOutcome),
        }
    }
}
