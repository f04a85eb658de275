//! The working copy of an organizer that the rules change, and the place where changes get their numbers.

use std::{collections::HashMap, sync::Arc};

use super::{
    Conversation, CustomMark, Delta, Group, GroupId, GroupName, LAST_SECOND, MAX_NUMBER, Organizer, Record,
    Rejection, StandardMark, UnixSeconds, World, edit::Organized, removal::Numbers,
};

/// A working copy of one organizer: all of its groups, and the records of the conversations that an edit names.
pub(super) struct Draft<'a> {
    before: &'a Organizer,
    groups: Vec<Group>,
    last_group: GroupId,
    items: Vec<Item>,
    item_of: HashMap<&'a Conversation, usize>,
    grouped: usize,
    marked: usize,
}

/// A conversation that the edit names, with the working copy of its record.
#[derive(Clone)]
struct Item {
    conversation: Conversation,
    /// The index of its record in `before.records()`, if it has one.
    before: Option<usize>,
    content: Content,
}

/// The content of a record, without its change number and timestamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) incarnation: u32,
    pub(super) groups: Vec<GroupId>,
    pub(super) mark: StandardMark,
    pub(super) custom: Option<CustomMark>,
}

impl Content {
    fn of(record: &Record) -> Content {
        Content {
            incarnation: record.incarnation,
            groups: record.groups.clone(),
            mark: record.mark,
            custom: record.custom.clone(),
        }
    }

    fn is_grouped(&self) -> bool {
        !self.groups.is_empty()
    }

    fn is_marked(&self) -> bool {
        !self.mark.is_none() || self.custom.is_some()
    }
}

impl<'a> Draft<'a> {
    /// Creates a draft in which the conversations of `named` can be changed.
    pub(super) fn new(before: &'a Organizer, named: impl IntoIterator<Item = &'a Conversation>) -> Draft<'a> {
        let mut draft = Draft {
            before,
            groups: before.groups().to_vec(),
            last_group: before.counters().last_group,
            items: Vec::new(),
            item_of: HashMap::new(),
            grouped: 0,
            marked: 0,
        };
        for conversation in named {
            let next = draft.items.len();
            if *draft.item_of.entry(conversation).or_insert(next) == next {
                draft.items.push(Item {
                    conversation: conversation.clone(),
                    before: None,
                    content: Content::default(),
                });
            }
        }
        for (index, record) in before.records().iter().enumerate() {
            draft.grouped += usize::from(record.is_grouped());
            draft.marked += usize::from(record.is_marked());
            if let Some(item) = draft.item_of.get(&record.conversation) {
                let item = &mut draft.items[*item];
                item.before = Some(index);
                item.content = Content::of(record);
            }
        }
        draft
    }

    /// Returns the group with this name.
    ///
    /// # Errors
    /// Returns [`Rejection::NoSuchGroup`] if there is none.
    pub(super) fn group(&mut self, name: &GroupName) -> Result<&mut Group, Rejection> {
        (self.groups.iter_mut())
            .find(|group| group.name == *name)
            .ok_or_else(|| Rejection::NoSuchGroup(name.as_str().to_owned()))
    }

    /// Returns the id of the group with this name, and creates the group if there is none.
    ///
    /// # Errors
    /// Returns [`Rejection::TooManyGroups`] or [`Rejection::NoGroupIdLeft`] if no group can be created.
    pub(super) fn group_or_new(&mut self, name: &GroupName, world: World<'_>) -> Result<GroupId, Rejection> {
        if let Ok(group) = self.group(name) {
            return Ok(group.id);
        }
        self.check_room_for_group(world)?;
        // Group ids are never reused, so an owner can run out of them.
        if self.last_group >= MAX_NUMBER {
            return Err(Rejection::NoGroupIdLeft);
        }
        let id = self.last_group + 1;
        self.last_group = id;
        // `finish` assigns the change number.
        self.groups.push(Group { id, name: name.clone(), number: 0 });
        Ok(id)
    }

    /// Gives the group with this id this name, and brings the group back if it was deleted. The caller ensures that no
    /// other group has the name in the end.
    ///
    /// # Errors
    /// Returns [`Rejection::TooManyGroups`] if the group was deleted and there is no room for it.
    pub(super) fn put_group(
        &mut self,
        id: GroupId,
        name: &GroupName,
        world: World<'_>,
    ) -> Result<(), Rejection> {
        match self.groups.binary_search_by_key(&id, |group| group.id) {
            Ok(place) => self.groups[place].name = name.clone(),
            Err(place) => {
                self.check_room_for_group(world)?;
                self.groups.insert(place, Group { id, name: name.clone(), number: 0 });
                self.last_group = self.last_group.max(id);
            }
        }
        Ok(())
    }

    fn check_room_for_group(&self, world: World<'_>) -> Result<(), Rejection> {
        let limit = world.terms.limits.groups;
        match self.groups.len() < limit {
            true => Ok(()),
            false => Err(Rejection::TooManyGroups { limit }),
        }
    }

    /// Returns the groups, sorted by id.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the current content of the record of `conversation`.
    pub(super) fn content(&self, conversation: &Conversation) -> &Content {
        &self.items[self.item_of[conversation]].content
    }

    /// Removes a group. Its id is not given to another group.
    pub(super) fn drop_group(&mut self, id: GroupId) {
        self.groups.retain(|group| group.id != id);
    }

    /// Changes the record of `conversation`. On an error, the record stays as it is.
    ///
    /// # Errors
    /// Returns the error of `change`, or [`Rejection::TooManyGrouped`] or [`Rejection::TooManyMarked`] if the result
    /// would be above a limit.
    pub(super) fn change(
        &mut self,
        conversation: &Conversation,
        world: World<'_>,
        change: impl FnOnce(&mut Content) -> Result<(), Rejection>,
    ) -> Result<(), Rejection> {
        let index = self.item_of[conversation];
        let old = &self.items[index].content;
        let mut new = old.clone();
        change(&mut new)?;
        let grouped = self.grouped - usize::from(old.is_grouped()) + usize::from(new.is_grouped());
        let marked = self.marked - usize::from(old.is_marked()) + usize::from(new.is_marked());
        // Only an item that increases a count can be refused. If a limit was lowered below what an owner has, they can
        // still change and remove their records.
        if grouped > self.grouped && grouped > world.terms.limits.grouped {
            return Err(Rejection::TooManyGrouped { limit: world.terms.limits.grouped });
        }
        if marked > self.marked && marked > world.terms.limits.marked {
            return Err(Rejection::TooManyMarked { limit: world.terms.limits.marked });
        }
        (self.grouped, self.marked) = (grouped, marked);
        self.items[index].content = new;
        Ok(())
    }

    /// Returns the new organizer and its deltas, or `None` if nothing changed.
    ///
    /// Everything that differs from the old organizer gets one new change number, in this order (decision 2): deleted
    /// groups, removed records, new and renamed groups, changed records in their old order, and new records in the
    /// order in which the edit names them.
    pub(super) fn finish(self, now: UnixSeconds) -> Option<Organized> {
        let before = self.before;
        let new_group = |old: &Group| self.groups.iter().find(|group| group.id == old.id);
        let changed_groups = self.groups.iter().filter(|group| !before.groups().contains(group)).count();
        let gone_groups = before.groups().iter().filter(|old| new_group(old).is_none()).count();
        let mut gone_records = Vec::new();
        let mut touched: Vec<&Item> = Vec::new();
        let mut moved = vec![false; before.records().len()];
        for item in &self.items {
            let held = item.content.is_grouped() || item.content.is_marked();
            match item.before {
                Some(index) if Content::of(&before.records()[index]) == item.content => {}
                Some(index) => {
                    moved[index] = true;
                    if held { touched.push(item) } else { gone_records.push(index) }
                }
                None if held => touched.push(item),
                None => {}
            }
        }
        let changes = gone_groups + gone_records.len() + changed_groups + touched.len();
        if changes == 0 {
            return None;
        }
        gone_records.sort_unstable();
        touched.sort_by_key(|item| item.before.unwrap_or(usize::MAX));

        let (base, mut deltas) = before.with_room_for(changes, now);
        deltas.reserve_exact(changes);
        let mut counters = *base.counters();
        let mut number = Numbers::after(&counters);
        // Renumbering keeps the order, so an index into `before` is also valid for `base`.
        for (old, group) in before.groups().iter().zip(base.groups()) {
            if new_group(old).is_none() {
                deltas.push(Delta::GroupDeleted { number: number.next(), group: group.clone() });
            }
        }
        for index in gone_records {
            let record = Arc::clone(&base.records()[index]);
            deltas.push(Delta::RecordGone { number: number.next(), record });
        }
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in self.groups {
            let was = before.groups().iter().position(|old| old.id == group.id);
            groups.push(match was.map(|index| &base.groups()[index]) {
                Some(old) if old.name == group.name => old.clone(),
                old => {
                    let group = Group { number: number.next(), ..group };
                    deltas.push(match old {
                        Some(old) => Delta::GroupRenamed { before: old.name.clone(), group: group.clone() },
                        None => Delta::GroupCreated(group.clone()),
                    });
                    group
                }
            });
        }
        let timestamp = now.min(LAST_SECOND).max(counters.last_timestamp);
        let mut records = Vec::with_capacity(base.records().len() + touched.len());
        let unmoved = base.records().iter().zip(&moved).filter(|(_, moved)| !**moved);
        records.extend(unmoved.map(|(record, _)| Arc::clone(record)));
        for item in &touched {
            let Content { incarnation, groups, mark, custom } = item.content.clone();
            let (conversation, number) = (item.conversation.clone(), number.next());
            let record =
                Arc::new(Record { conversation, incarnation, groups, mark, custom, number, timestamp });
            let before = item.before.map(|index| Arc::clone(&base.records()[index]));
            deltas.push(Delta::RecordChanged { before, record: Arc::clone(&record) });
            records.push(record);
        }
        counters.version = number.last();
        counters.last_group = self.last_group;
        if !touched.is_empty() {
            counters.last_timestamp = timestamp;
        }
        Some(Organized { next: Organizer::assemble(counters, groups, records), deltas })
    }
}
