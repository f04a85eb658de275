//! The rule for undo: a new call gives what earlier calls changed its values from before.

use std::collections::{BTreeMap, HashSet};

use super::{
    Conversation, CustomMark, Field, GroupId, GroupName, Kept, KeptReason, Organizer, OwnerState, Rejection,
    StandardMark, Undo, World,
    draft::{Content, Draft},
    edit::Organized,
    trace::{Before, RecordTrace, Trace},
};

/// Reverts what the deltas changed, and returns every field that they changed and that does not have its value from
/// before. The fields of groups come first. Undoing nothing, or what is already undone, changes nothing.
///
/// # Errors
/// Returns [`Rejection::Erased`] or [`Rejection::NothingToUndo`].
pub(super) fn revert(
    state: &OwnerState,
    world: World<'_>,
    undo: &Undo,
) -> Result<(Vec<Kept>, Option<Organized>), Rejection> {
    undo.check()?;
    let (reverted, later) = (&Trace::of(&undo.reverted), &Trace::of(&undo.later));
    let organizer = &*state.organizer;
    let draft = Draft::new(organizer, reverted.records.iter().map(|record| record.conversation));
    let mut reversal = Reversal { organizer, world, reverted, later, draft, kept: Vec::new() };
    reversal.revert_groups();
    reversal.revert_records();
    if reverted.account.as_ref().is_some_and(|Before(account)| *account != state.account.as_deref()) {
        reversal.keep(Field::Account, KeptReason::NotUndone);
    }
    Ok((reversal.kept, reversal.draft.finish(world.terms.now)))
}

/// An undo in progress.
struct Reversal<'a> {
    organizer: &'a Organizer,
    world: World<'a>,
    reverted: &'a Trace<'a>,
    later: &'a Trace<'a>,
    draft: Draft<'a>,
    kept: Vec<Kept>,
}

/// New groups or new marks of one record.
struct Part<'a> {
    record: &'a RecordTrace<'a>,
    new: NewValues,
    /// What comes back with it.
    returning: Vec<Field>,
    /// Whether it counts towards a limit for which the record did not count before.
    needs_room: bool,
}

enum NewValues {
    Groups(Vec<GroupId>),
    Marks(StandardMark, Option<CustomMark>),
}

impl<'a> Reversal<'a> {
    fn keep(&mut self, field: Field, reason: KeptReason) {
        self.kept.push(Kept { field, reason });
    }

    /// Deletes, brings back and renames groups.
    fn revert_groups(&mut self) {
        let mut names: BTreeMap<GroupId, &GroupName> = BTreeMap::new();
        for (&id, group) in &self.reverted.groups {
            let current = self.organizer.group(id).map(|group| &group.name);
            let later = self.later.groups.get(&id);
            match (group.before, current) {
                (before, current) if before == current => {}
                (None, None) => {}
                (None, Some(name)) => match self.reason_to_stay(id) {
                    Some(reason) => self.keep(Field::Group { id, name: name.clone() }, reason),
                    None => self.draft.drop_group(id),
                },
                (Some(name), Some(_)) if later.is_some() => {
                    self.keep(Field::GroupName { id, name: name.clone() }, KeptReason::ChangedLater);
                }
                (Some(name), None) if !group.is_about_existence => {
                    self.keep(Field::GroupName { id, name: name.clone() }, KeptReason::NoGroup);
                }
                (Some(name), None) if later.is_some_and(|later| later.is_about_existence) => {
                    self.keep(Field::Group { id, name: name.clone() }, KeptReason::ChangedLater);
                }
                (Some(name), _) => _ = names.insert(id, name),
            }
        }
        while let Some(id) = self.clash(&names) {
            let name = names.remove(&id).expect("the clash is one of these").clone();
            let reason = KeptReason::Refused(Rejection::NameTaken(name.as_str().to_owned()));
            self.keep(self.group_field(id, name), reason);
        }
        for (id, name) in names {
            if let Err(rejection) = self.draft.put_group(id, name, self.world) {
                self.keep(self.group_field(id, name.clone()), KeptReason::Refused(rejection));
            }
        }
    }

    /// Returns the field that a group with this id lacks to have this name.
    fn group_field(&self, id: GroupId, name: GroupName) -> Field {
        match self.organizer.group(id) {
            Some(_) => Field::GroupName { id, name },
            None => Field::Group { id, name },
        }
    }

    /// Returns a group that cannot get its name from `names`, because another group keeps this name. Names may be
    /// exchanged: a name is free if its present holder gets another one.
    fn clash(&self, names: &BTreeMap<GroupId, &GroupName>) -> Option<GroupId> {
        let unchanged = self.draft.groups().iter().filter(|group| !names.contains_key(&group.id));
        let mut taken: HashSet<&GroupName> = unchanged.map(|group| &group.name).collect();
        names.iter().find(|(_, name)| !taken.insert(name)).map(|(id, _)| *id)
    }

    /// Returns why a group that the reverted calls created is not deleted.
    fn reason_to_stay(&self, id: GroupId) -> Option<KeptReason> {
        match self.later.groups.get(&id) {
            Some(later) if later.is_about_existence => return Some(KeptReason::ChangedLater),
            Some(_) => return Some(KeptReason::UsedLater),
            None => {}
        }
        let (reverted, later) = (self.reverted, self.later);
        let mut members = self.organizer.records().iter().filter(|record| record.groups.contains(&id));
        let stays = members.any(|record| {
            let of = |trace: &'a Trace<'a>| trace.record(&record.conversation, record.incarnation);
            let was_added = of(reverted).is_some_and(|reverted| reverted.groups.get(&id) == Some(&false));
            !was_added || of(later).is_some_and(|later| later.groups.contains_key(&id))
        });
        stays.then_some(KeptReason::UsedLater)
    }

    /// Changes the groups and marks of records. What needs room comes last, so that it gets all that becomes free.
    fn revert_records(&mut self) {
        let mut waiting = Vec::new();
        for record in &self.reverted.records {
            for part in [self.memberships(record), self.marks(record)].into_iter().flatten() {
                if part.needs_room { waiting.push(part) } else { self.apply(part) }
            }
        }
        for part in waiting {
            self.apply(part);
        }
    }

    /// Returns what the owner has now about the conversation in the incarnation of `record`.
    fn current(&self, record: &RecordTrace<'_>) -> Content {
        let content = self.draft.content(record.conversation);
        if content.incarnation == record.incarnation { content.clone() } else { Content::default() }
    }

    /// Checks that something may be stored about the conversation in the incarnation of `record`.
    fn check_presence(&self, record: &RecordTrace<'_>) -> Result<(), KeptReason> {
        match (self.world.incarnation(record.conversation), record.conversation) {
            (Ok(incarnation), _) if incarnation == record.incarnation => Ok(()),
            (Ok(_), Conversation::ChatGroup(id)) => Err(Rejection::DisbandedChatGroup(id.clone())),
            (Ok(_), Conversation::User(user)) => Err(Rejection::UnknownPeer(user.clone())),
            (Err(rejection), _) => Err(rejection),
        }
        .map_err(KeptReason::Refused)
    }

    /// Returns the new groups of a record, if they differ from the current ones.
    fn memberships(&mut self, record: &'a RecordTrace<'a>) -> Option<Part<'a>> {
        let Content { groups: current, .. } = self.current(record);
        let later = self.later.record(record.conversation, record.incarnation);
        let (mut groups, mut returning) = (current.clone(), Vec::new());
        for (&group, &was_in) in &record.groups {
            let found = groups.binary_search(&group);
            if was_in == found.is_ok() {
                continue;
            }
            let field = Field::Membership { conversation: record.conversation.clone(), group };
            let allowed = if was_in && !self.draft.groups().iter().any(|there| there.id == group) {
                Err(KeptReason::NoGroup)
            } else if later.is_some_and(|later| later.groups.contains_key(&group)) {
                Err(KeptReason::ChangedLater)
            } else if was_in {
                self.check_presence(record)
            } else {
                Ok(())
            };
            match (allowed, found) {
                (Err(reason), _) => self.keep(field, reason),
                (Ok(()), Ok(place)) => _ = groups.remove(place),
                (Ok(()), Err(place)) => {
                    groups.insert(place, group);
                    returning.push(field);
                }
            }
        }
        let needs_room = current.is_empty() && !groups.is_empty();
        (groups != current).then_some(Part { record, new: NewValues::Groups(groups), returning, needs_room })
    }

    /// Returns the new marks of a record, if they differ from the current ones.
    fn marks(&mut self, record: &'a RecordTrace<'a>) -> Option<Part<'a>> {
        let current = self.current(record);
        let later = self.later.record(record.conversation, record.incarnation);
        let presence = self.check_presence(record);
        let field = |bits: u64| Field::Standard {
            conversation: record.conversation.clone(),
            bits: StandardMark::from_bits(bits),
        };
        let mut returning = Vec::new();
        let mut bits = current.mark.bits();
        let differing = (bits ^ record.set.bits()) & record.changed.bits();
        let changed_later = differing & later.map_or(0, |later| later.changed.bits());
        if changed_later != 0 {
            self.keep(field(changed_later), KeptReason::ChangedLater);
        }
        let free = differing & !changed_later;
        bits &= !(free & !record.set.bits());
        match (free & record.set.bits(), &presence) {
            (0, _) => {}
            (set, Ok(())) => {
                bits |= set;
                returning.push(field(set));
            }
            (set, Err(reason)) => self.keep(field(set), reason.clone()),
        }
        let mut custom = current.custom.clone();
        if let Some(Before(before)) =
            record.custom.as_ref().filter(|Before(before)| *before != current.custom)
        {
            let field = Field::Custom { conversation: record.conversation.clone() };
            match (later.is_some_and(|later| later.custom.is_some()), before, presence) {
                (true, ..) => self.keep(field, KeptReason::ChangedLater),
                (false, Some(_), Err(reason)) => self.keep(field, reason),
                (false, before, _) => {
                    custom.clone_from(before);
                    returning.extend(before.is_some().then_some(field));
                }
            }
        }
        let mark = StandardMark::from_bits(bits);
        let is_same = mark == current.mark && custom == current.custom;
        let is_marked = !mark.is_none() || custom.is_some();
        let needs_room = current.mark.is_none() && current.custom.is_none() && is_marked;
        (!is_same).then_some(Part { record, new: NewValues::Marks(mark, custom), returning, needs_room })
    }

    /// Changes a record, or names what does not come back because there is no room for it.
    fn apply(&mut self, Part { record, new, returning, .. }: Part<'_>) {
        let changed = self.draft.change(record.conversation, self.world, |content| {
            content.incarnation = record.incarnation;
            match new {
                NewValues::Groups(groups) => content.groups = groups,
                NewValues::Marks(mark, custom) => (content.mark, content.custom) = (mark, custom),
            }
            Ok(())
        });
        if let Err(rejection) = changed {
            for field in returning {
                self.keep(field, KeptReason::Refused(rejection.clone()));
            }
        }
    }
}
