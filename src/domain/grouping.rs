//! The rules of conversation groups: create, rename, add and remove conversations, delete.

use super::{
    Conversation, Group, GroupId, GroupName, Grouped, Organizer, Rejection, World, batch,
    draft::{Content, Draft},
    edit::Organized,
};

/// What to do with one conversation of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Put it in.
    Add,
    /// Take it out.
    Remove,
}

/// What became of an edit of one group, and its change.
type Decided = Result<(Grouped, Option<Organized>), Rejection>;

/// Creates a group with the named conversations. A name that exists keeps its group and gets the
/// conversations added, so that a retry is harmless (decision 10). The group is made even when
/// every conversation is refused.
///
/// # Errors
/// [`Rejection::BatchSize`], [`Rejection::TooManyGroups`], [`Rejection::NoGroupIdLeft`].
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

/// Renames a group; its id and its conversations stay, and no record's timestamp moves.
///
/// # Errors
/// [`Rejection::NoSuchGroup`]; [`Rejection::NameTaken`] when another group has the new name.
pub(super) fn rename(organizer: &Organizer, world: World<'_>, old: &GroupName, new: &GroupName) -> Decided {
    let mut draft = Draft::new(organizer, []);
    let id = draft.group(old)?.id;
    if organizer.group_named(new).is_some_and(|other| other.id != id) {
        return Err(Rejection::NameTaken(new.as_str().to_owned()));
    }
    draft.group(old)?.name = new.clone();
    Ok((Grouped { id, items: Vec::new() }, draft.finish(world.terms.now)))
}

/// Adds conversations to a group and removes them, in the order given. Adding what is there and
/// removing what is not succeeds; removing needs no peer to exist. An empty group stays.
///
/// # Errors
/// [`Rejection::BatchSize`], [`Rejection::NoSuchGroup`].
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

/// Deletes a group and takes its id out of every record; marks stay, and records that are left
/// with nothing are gone.
///
/// # Errors
/// [`Rejection::NoSuchGroup`].
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
