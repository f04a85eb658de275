//! The rules for conversation groups: creating, renaming and deleting them, and changing their conversations.

use super::{
    Conversation, Group, GroupId, GroupName, Grouped, Organizer, Rejection, World, batch,
    draft::{Content, Draft},
    edit::Organized,
};

/// What to do with one conversation of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Adds it.
    Add,
    /// Removes it.
    Remove,
}

/// The result of an edit of one group, and its change.
type Decided = Result<(Grouped, Option<Organized>), Rejection>;

/// Creates a group with the named conversations. If the group exists, the conversations are added to it, so that a
/// retry is harmless (decision 10). The group is created even if every conversation is refused.
///
/// # Errors
/// Returns [`Rejection::BatchSize`], [`Rejection::TooManyGroups`] or [`Rejection::NoGroupIdLeft`].
pub(super) fn create(
    organizer: &Organizer,
    world: World<'_>,
    name: &GroupName,
    conversations: &[Conversation],
) -> Decided {
    check_batch(conversations.len())?;
    let mut draft = Draft::new(organizer, conversations);
    let id = draft.group_or_new(name, world)?;
    let items = (conversations.iter())
        .map(|conversation| apply(&mut draft, world, id, MemberChange::Add, conversation))
        .collect();
    Ok((Grouped { id, items }, draft.finish(world.terms.now)))
}

/// Renames a group. Its id and its records, with their timestamps, stay as they are.
///
/// # Errors
/// Returns [`Rejection::NoSuchGroup`], or [`Rejection::NameTaken`] if another group has the new name.
pub(super) fn rename(organizer: &Organizer, world: World<'_>, old: &GroupName, new: &GroupName) -> Decided {
    let mut draft = Draft::new(organizer, []);
    let id = draft.group(old)?.id;
    if organizer.group_named(new).is_some_and(|other| other.id != id) {
        return Err(Rejection::NameTaken(new.as_str().to_owned()));
    }
    draft.group(old)?.name = new.clone();
    Ok((Grouped { id, items: Vec::new() }, draft.finish(world.terms.now)))
}

/// Adds and removes conversations of a group, in the given order. Adding a conversation that is in the group
/// succeeds, as does removing one that is not in it or whose user or chat group does not exist. An empty group stays.
///
/// # Errors
/// Returns [`Rejection::BatchSize`] or [`Rejection::NoSuchGroup`].
pub(super) fn change_members(
    organizer: &Organizer,
    world: World<'_>,
    name: &GroupName,
    changes: &[(MemberChange, Conversation)],
) -> Decided {
    check_batch(changes.len())?;
    let mut draft = Draft::new(organizer, changes.iter().map(|(_, conversation)| conversation));
    let id = draft.group(name)?.id;
    let items = (changes.iter())
        .map(|(change, conversation)| apply(&mut draft, world, id, *change, conversation))
        .collect();
    Ok((Grouped { id, items }, draft.finish(world.terms.now)))
}

/// Deletes a group and removes its id from every record. Records without marks and other groups are removed.
///
/// # Errors
/// Returns [`Rejection::NoSuchGroup`].
pub(super) fn delete(organizer: &Organizer, world: World<'_>, name: &GroupName) -> Decided {
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
    Ok((Grouped { id, items: Vec::new() }, draft.finish(world.terms.now)))
}

/// Adds or removes one conversation. An error concerns this conversation only.
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

/// Checks the number of conversations that one call changes (error 51006).
pub(super) fn check_batch(found: usize) -> Result<(), Rejection> {
    if found == 0 || found > batch::CHANGED {
        return Err(Rejection::BatchSize { found, limit: batch::CHANGED });
    }
    Ok(())
}
