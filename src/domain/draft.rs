//! The working copy on which a rule acts, and the one place where changes get their numbers.

use std::{collections::HashMap, sync::Arc};

use super::{
    Conversation, CustomMark, Delta, Group, GroupId, GroupName, LAST_SECOND, MAX_NUMBER, Organizer, Record,
    Rejection, StandardMark, UnixSeconds, World, edit::Organized, removal::Numbers,
};

/// A working copy of one organizer: its groups, and the records of the conversations a call names.
pub(super) struct Draft<'a> {
    before: &'a Organizer,
    groups: Vec<Group>,
    last_group: GroupId,
    sheets: Vec<Sheet>,
    sheet_of: HashMap<&'a Conversation, usize>,
    grouped: usize,
    marked: usize,
}

/// One conversation on the draft.
#[derive(Clone)]
struct Sheet {
    conversation: Conversation,
    /// Where its record stands in `before.records()`.
    before: Option<usize>,
    content: Content,
}

/// What a record holds, apart from number and time.
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
    /// A draft on which the conversations of `named` can be changed.
    pub(super) fn new(before: &'a Organizer, named: impl IntoIterator<Item = &'a Conversation>) -> Draft<'a> {
        let mut draft = Draft {
            before,
            groups: before.groups().to_vec(),
            last_group: before.counters().last_group,
            sheets: Vec::new(),
            sheet_of: HashMap::new(),
            grouped: 0,
            marked: 0,
        };
        for conversation in named {
            let next = draft.sheets.len();
            if *draft.sheet_of.entry(conversation).or_insert(next) == next {
                draft.sheets.push(Sheet {
                    conversation: conversation.clone(),
                    before: None,
                    content: Content::default(),
                });
            }
        }
        for (index, record) in before.records().iter().enumerate() {
            draft.grouped += usize::from(record.is_grouped());
            draft.marked += usize::from(record.is_marked());
            if let Some(sheet) = draft.sheet_of.get(&record.conversation) {
                let sheet = &mut draft.sheets[*sheet];
                sheet.before = Some(index);
                sheet.content = Content::of(record);
            }
        }
        draft
    }

    /// The group of this name.
    ///
    /// # Errors
    /// [`Rejection::NoSuchGroup`].
    pub(super) fn group(&mut self, name: &GroupName) -> Result<&mut Group, Rejection> {
        (self.groups.iter_mut())
            .find(|group| group.name == *name)
            .ok_or_else(|| Rejection::NoSuchGroup(name.as_str().to_owned()))
    }

    /// The id of the group of this name, made now if there is none.
    ///
    /// # Errors
    /// [`Rejection::TooManyGroups`], [`Rejection::NoGroupIdLeft`].
    pub(super) fn group_or_new(&mut self, name: &GroupName, world: World<'_>) -> Result<GroupId, Rejection> {
        if let Ok(group) = self.group(name) {
            return Ok(group.id);
        }
        let limit = world.terms.limits.groups;
        if self.groups.len() >= limit {
            return Err(Rejection::TooManyGroups { limit });
        }
        // An id is never given twice, so that one day there is none left.
        if self.last_group >= MAX_NUMBER {
            return Err(Rejection::NoGroupIdLeft);
        }
        let id = self.last_group + 1;
        self.last_group = id;
        // Its number is given when the draft is finished.
        self.groups.push(Group { id, name: name.clone(), number: 0 });
        Ok(id)
    }

    /// Drops a group; its id stays used.
    pub(super) fn drop_group(&mut self, id: GroupId) {
        self.groups.retain(|group| group.id != id);
    }

    /// Changes what is kept about `conversation`, if `change` and the limits agree; on an error
    /// nothing of the conversation is changed.
    ///
    /// # Errors
    /// What `change` returns, [`Rejection::TooManyGrouped`] or [`Rejection::TooManyMarked`].
    pub(super) fn change(
        &mut self,
        conversation: &Conversation,
        world: World<'_>,
        change: impl FnOnce(&mut Content) -> Result<(), Rejection>,
    ) -> Result<(), Rejection> {
        let index = self.sheet_of[conversation];
        let old = &self.sheets[index].content;
        let mut new = old.clone();
        change(&mut new)?;
        let grouped = self.grouped - usize::from(old.is_grouped()) + usize::from(new.is_grouped());
        let marked = self.marked - usize::from(old.is_marked()) + usize::from(new.is_marked());
        // Only an item that adds to a count can be refused: an owner above a limit that was
        // lowered can still change and remove what they have.
        if grouped > self.grouped && grouped > world.terms.limits.grouped {
            return Err(Rejection::TooManyGrouped { limit: world.terms.limits.grouped });
        }
        if marked > self.marked && marked > world.terms.limits.marked {
            return Err(Rejection::TooManyMarked { limit: world.terms.limits.marked });
        }
        (self.grouped, self.marked) = (grouped, marked);
        self.sheets[index].content = new;
        Ok(())
    }

    /// The change that the call makes, or `None` when it changes nothing.
    ///
    /// Numbers go to what differs from before the call, once each: first to what is gone, then to the groups, then to
    /// the records – those that were there in the order they had, then the new ones in the order they were named
    /// (decision 2).
    pub(super) fn finish(self, now: UnixSeconds) -> Option<Organized> {
        let before = self.before;
        let new_group = |old: &Group| self.groups.iter().find(|group| group.id == old.id);
        let changed_groups = self.groups.iter().filter(|group| !before.groups().contains(group)).count();
        let gone_groups = before.groups().iter().filter(|old| new_group(old).is_none()).count();
        let mut gone_records = Vec::new();
        let mut touched: Vec<&Sheet> = Vec::new();
        let mut moved = vec![false; before.records().len()];
        for sheet in &self.sheets {
            let held = sheet.content.is_grouped() || sheet.content.is_marked();
            match sheet.before {
                Some(index) if Content::of(&before.records()[index]) == sheet.content => {}
                Some(index) => {
                    moved[index] = true;
                    if held { touched.push(sheet) } else { gone_records.push(index) }
                }
                None if held => touched.push(sheet),
                None => {}
            }
        }
        let changes = gone_groups + gone_records.len() + changed_groups + touched.len();
        if changes == 0 {
            return None;
        }
        gone_records.sort_unstable();
        touched.sort_by_key(|sheet| sheet.before.unwrap_or(usize::MAX));

        let (base, mut deltas) = before.with_room_for(changes, now);
        deltas.reserve_exact(changes);
        let mut counters = *base.counters();
        let mut number = Numbers::after(&counters);
        // Renumbering keeps the order, so that an index into what was there before means the same in `base`.
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
        for sheet in &touched {
            let Content { incarnation, groups, mark, custom } = sheet.content.clone();
            let (conversation, number) = (sheet.conversation.clone(), number.next());
            let record =
                Arc::new(Record { conversation, incarnation, groups, mark, custom, number, timestamp });
            let before = sheet.before.map(|index| Arc::clone(&base.records()[index]));
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
