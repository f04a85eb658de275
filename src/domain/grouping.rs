//! The rules of conversation groups: create, rename, add and remove conversations, delete.

use super::{
    Conversation, Decision, Group, GroupId, GroupName, Organizer, Rejection, UnixSeconds, World, batch,
    draft::{Content, Draft},
};

/// What became of a create call.
#[derive(Debug, PartialEq, Eq)]
pub struct Created {
    /// The id of the group, new or found.
    pub id: GroupId,
    /// What became of each conversation, in the order they were named.
    pub items: Vec<Result<(), Rejection>>,
}

/// What became of a rename or a change of members.
#[derive(Debug, PartialEq, Eq)]
pub struct Regrouped {
    /// The id of the group.
    pub id: GroupId,
    /// What became of each conversation, in the order they were named; empty for a rename.
    pub items: Vec<Result<(), Rejection>>,
}

/// The group that a delete call dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Its id, never used again.
    pub id: GroupId,
}

/// What to do with one conversation of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Put it in.
    Add,
    /// Take it out.
    Remove,
}

/// Creates a group with the named conversations. A name that exists keeps its group and gets the
/// conversations added, so that a retry is harmless (decision 10). The group is made even when
/// every conversation is refused.
///
/// # Errors
/// [`Rejection::BatchSize`], [`Rejection::TooManyGroups`], [`Rejection::NoGroupIdLeft`].
pub fn create(
    organizer: &Organizer,
    world: World<'_>,
    name: &GroupName,
    conversations: &[Conversation],
    now: UnixSeconds,
) -> Result<Decision<Created>, Rejection> {
    check_batch(conversations.len())?;
    let mut draft = Draft::new(organizer, conversations);
    let id = draft.group_or_new(name, world)?;
    let items = (conversations.iter())
        .map(|conversation| apply(&mut draft, world, id, MemberChange::Add, conversation))
        .collect();
    Ok(Decision { outcome: Created { id, items }, next: draft.finish(now) })
}

/// Renames a group; its id and its conversations stay, and no record's timestamp moves.
///
/// # Errors
/// [`Rejection::NoSuchGroup`]; [`Rejection::NameTaken`] when another group has the new name.
pub fn rename(
    organizer: &Organizer,
    old: &GroupName,
    new: &GroupName,
    now: UnixSeconds,
) -> Result<Decision<Regrouped>, Rejection> {
    let mut draft = Draft::new(organizer, []);
    let id = draft.group(old)?.id;
    if organizer.group_named(new).is_some_and(|other| other.id != id) {
        return Err(Rejection::NameTaken(new.as_str().to_owned()));
    }
    draft.group(old)?.name = new.clone();
    Ok(Decision { outcome: Regrouped { id, items: Vec::new() }, next: draft.finish(now) })
}

/// Adds conversations to a group and removes them, in the order given. Adding what is there and
/// removing what is not succeeds; removing needs no peer to exist. An empty group stays.
///
/// # Errors
/// [`Rejection::BatchSize`], [`Rejection::NoSuchGroup`].
pub fn update_members(
    organizer: &Organizer,
    world: World<'_>,
    name: &GroupName,
    changes: &[(MemberChange, Conversation)],
    now: UnixSeconds,
) -> Result<Decision<Regrouped>, Rejection> {
    check_batch(changes.len())?;
    let mut draft = Draft::new(organizer, changes.iter().map(|(_, conversation)| conversation));
    let id = draft.group(name)?.id;
    let items = (changes.iter())
        .map(|(change, conversation)| apply(&mut draft, world, id, *change, conversation))
        .collect();
    Ok(Decision { outcome: Regrouped { id, items }, next: draft.finish(now) })
}

/// Deletes a group and takes its id out of every record; marks stay, and records that are left
/// with nothing are gone.
///
/// # Errors
/// [`Rejection::NoSuchGroup`].
pub fn delete(
    organizer: &Organizer,
    world: World<'_>,
    name: &GroupName,
    now: UnixSeconds,
) -> Result<Decision<Deleted>, Rejection> {
    let id = (organizer.group_named(name))
        .map(|group: &Group| group.id)
        .ok_or_else(|| Rejection::NoSuchGroup(name.as_str().to_owned()))?;
    let members = || {
        (organizer.records().iter())
            .filter(|record| record.groups.contains(&id))
            .map(|record| &record.conversation)
    };
    let mut draft = Draft::new(organizer, members());
    for conversation in members() {
        apply(&mut draft, world, id, MemberChange::Remove, conversation)?;
    }
    draft.drop_group(id);
    Ok(Decision { outcome: Deleted { id }, next: draft.finish(now) })
}

/// Applies one change of membership, or refuses it alone.
fn apply(
    draft: &mut Draft<'_>,
    world: World<'_>,
    group: GroupId,
    change: MemberChange,
    conversation: &Conversation,
) -> Result<(), Rejection> {
    draft.change(conversation, world, |content: &mut Content| {
        match (change, content.groups.binary_search(&group)) {
            (MemberChange::Add, found) => {
                content.incarnation = world.incarnation(conversation)?;
                if let Err(place) = found {
                    content.groups.insert(place, group);
                }
            }
            (MemberChange::Remove, Ok(place)) => {
                content.groups.remove(place);
            }
            (MemberChange::Remove, Err(_)) => {}
        }
        Ok(())
    })
}

/// The bounds on the conversations that one changing call names (51006).
pub(super) fn check_batch(found: usize) -> Result<(), Rejection> {
    if found == 0 || found > batch::CHANGED {
        return Err(Rejection::BatchSize { found, limit: batch::CHANGED });
    }
    Ok(())
}
