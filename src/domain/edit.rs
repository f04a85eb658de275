//! Edits: every way in which an owner can change, as data, and the one function that decides them.

use std::sync::Arc;

use super::{
    Change, ChangeNumber, Conversation, Delta, GroupId, GroupName, MarkChange, MemberChange, Organizer,
    OwnerState, Rejection, Restoration, World, accounts, grouping, marking, restore,
};

/// One change that is asked for. Stores run edits without knowing what they mean.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Creates a conversation group with these conversations, or adds them to the one of this name.
    CreateGroup {
        /// Its name.
        name: GroupName,
        /// The conversations to put into it.
        conversations: Vec<Conversation>,
    },
    /// Renames a conversation group.
    RenameGroup {
        /// The name it has.
        name: GroupName,
        /// The name it gets.
        new: GroupName,
    },
    /// Adds conversations to a group and removes them from it.
    ChangeMembers {
        /// The name of the group.
        name: GroupName,
        /// The changes, in the order in which they are made.
        changes: Vec<(MemberChange, Conversation)>,
    },
    /// Deletes a conversation group.
    DeleteGroup {
        /// Its name.
        name: GroupName,
    },
    /// Sets and clears marks. An item that could not be read is passed through as refused.
    Mark {
        /// The items, in the order in which they are made.
        items: Vec<Result<(Conversation, MarkChange), Rejection>>,
    },
    /// Imports the account, or changes its profile; what is absent stays as it was.
    ImportAccount {
        /// The nickname.
        nick: Option<String>,
        /// The address of the portrait.
        face_url: Option<String>,
    },
    /// Deletes the account with everything organized; the counters stay (decision 9).
    DeleteAccount,
    /// Puts imported groups and records in the place of everything organized.
    Restore(Restoration),
    /// Panics, which a store must survive.
    #[cfg(test)]
    Defect,
}

/// What an edit has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of an edit of one conversation group.
    Grouped(Grouped),
    /// Of each item of an edit of marks, in their order.
    Marked(Vec<Result<(), Rejection>>),
    /// Of an edit of the account.
    Account {
        /// Whether the account existed before, stored or taken for granted by the directory.
        existed: bool,
        /// Whether the account is different now.
        changed: bool,
    },
    /// Of a restoration.
    Restored {
        /// What the owner had organized before.
        before: Arc<Organizer>,
        /// What is in its place.
        after: Arc<Organizer>,
        /// Whether the account is new.
        made_known: bool,
    },
}

/// What became of an edit of one conversation group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// The id of the group.
    pub id: GroupId,
    /// What became of each conversation, in the order they were named.
    pub items: Vec<Result<(), Rejection>>,
}

/// What was decided: the answer, and the change – `None` when nothing changes, so that nothing is written and no
/// number or timestamp moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<T, C> {
    /// The answer.
    pub outcome: T,
    /// The change to keep.
    pub change: Option<C>,
}

impl Edit {
    /// The conversations about which the edit asks its world.
    #[must_use]
    pub fn named(&self) -> Vec<&Conversation> {
        match self {
            Edit::CreateGroup { conversations, .. } => conversations.iter().collect(),
            Edit::ChangeMembers { changes, .. } => changes.iter().map(|(_, named)| named).collect(),
            Edit::Mark { items } => items.iter().flatten().map(|(named, _)| named).collect(),
            Edit::Restore(restoration) => {
                restoration.records.iter().map(|record| &record.conversation).collect()
            }
            Edit::RenameGroup { .. }
            | Edit::DeleteGroup { .. }
            | Edit::ImportAccount { .. }
            | Edit::DeleteAccount => Vec::new(),
            #[cfg(test)]
            Edit::Defect => Vec::new(),
        }
    }

    /// Decides the edit for an owner in this state. `dead` are the numbers of the records whose chat groups were
    /// disbanded: the edit does not see them, and if it changes anything, they are buried with it (decision 20).
    ///
    /// # Errors
    /// Why the whole edit is refused; nothing changes then.
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
            Edit::DeleteAccount => return accounts::delete(state, world),
            Edit::Restore(restoration) => return restore::restore(state, restoration, world),
            Edit::Mark { items } => {
                let (items, made) = marking::mark(organizer, world, items)?;
                return Ok(decision(state, Outcome::Marked(items), made));
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
            Edit::Defect => panic!("this edit panics, as the test wants"),
        };
        let (grouped, made) = grouped?;
        Ok(decision(state, Outcome::Grouped(grouped), made))
    }

    /// Whether the owner has to exist.
    fn needs_owner(&self) -> bool {
        match self {
            Edit::CreateGroup { .. }
            | Edit::RenameGroup { .. }
            | Edit::ChangeMembers { .. }
            | Edit::DeleteGroup { .. }
            | Edit::Mark { .. } => true,
            Edit::ImportAccount { .. } | Edit::DeleteAccount | Edit::Restore(_) => false,
            #[cfg(test)]
            Edit::Defect => false,
        }
    }
}

/// The decision of an edit that leaves the account as it is.
fn decision(state: &OwnerState, outcome: Outcome, organized: Option<Organized>) -> Decision<Outcome, Change> {
    let change = organized.map(|Organized { next, deltas }| Change {
        next: OwnerState { account: state.account.clone(), organizer: Arc::new(next) },
        deltas,
    });
    Decision { outcome, change }
}

/// A change of the organizer alone.
#[derive(Debug)]
pub(super) struct Organized {
    pub(super) next: Organizer,
    pub(super) deltas: Vec<Delta>,
}

/// An outcome of another kind than its edit has: a defect in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule gave an outcome of another kind of edit")]
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
