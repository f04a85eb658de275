//! Counts what lines change, or would change, and names the owners who lose data.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::domain::{Conversation, Organizer, Owner, Record};

/// The maximum number of owners that are named.
const NAMED: usize = 10;

/// The effect of one line.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// Whether the line changes anything.
    pub changed: bool,
    pub(super) about: About,
}

#[derive(Clone, Debug, Default)]
pub(super) enum About {
    /// Nothing that is counted.
    #[default]
    Nothing,
    Account(ChangeKind),
    ChatGroup {
        kind: ChangeKind,
        destroyed: bool,
    },
    Owner {
        kind: ChangeKind,
        groups: PartCounts,
        records: PartCounts,
        loss: Option<Loss>,
    },
}

/// How one account, chat group or owner changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Created,
    Replaced,
    Unchanged,
}

impl ChangeKind {
    /// Returns the kind of a change. `was_there`: it existed before; `differs`: it is different afterwards.
    pub(super) fn of(was_there: bool, differs: bool) -> ChangeKind {
        match (was_there, differs) {
            (_, false) => ChangeKind::Unchanged,
            (true, true) => ChangeKind::Replaced,
            (false, true) => ChangeKind::Created,
        }
    }
}

/// The numbers of accounts, chat groups or owners, by the kind of their change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChangeCounts {
    /// The number of items that did not exist before.
    pub created: u64,
    /// The number of items that existed and were changed.
    pub replaced: u64,
    /// The number of items that existed and were not changed.
    pub unchanged: u64,
}

/// The numbers of groups or records, by the kind of their change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PartCounts {
    /// The number of items that did not exist before.
    pub added: u64,
    /// The number of items that do not exist afterwards.
    pub removed: u64,
    /// The number of items that exist before and after, with different content.
    pub changed: u64,
}

/// The data that one owner loses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Loss {
    /// The owner's app.
    #[serde(rename = "SdkAppId")]
    pub app: u32,
    /// The owner's id.
    #[serde(rename = "From_Account")]
    pub user: String,
    /// The number of groups removed.
    pub groups: u64,
    /// The number of records removed.
    pub records: u64,
    /// Whether the owner has no groups and no records afterwards.
    pub everything: bool,
}

/// The combined effect of all lines. A check compares each line with the stored state, even if an earlier line would
/// change that state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tally {
    /// Accounts that have lines of their own.
    pub accounts: ChangeCounts,
    /// Chat groups.
    pub chat_groups: ChangeCounts,
    /// Chat groups that existed and are destroyed, together with everything organized about them.
    pub chat_groups_destroyed: u64,
    /// Owners.
    pub owners: ChangeCounts,
    /// The groups of these owners.
    pub groups: PartCounts,
    /// The records of these owners.
    pub records: PartCounts,
    /// The first owners who lose groups or records.
    pub losses: Vec<Loss>,
    /// The number of further owners who lose groups or records.
    pub more_losses: u64,
    /// The number of owners who lose all their groups and records.
    pub emptied: u64,
}

impl Tally {
    /// Counts the effect of one line.
    pub(super) fn count(&mut self, about: About) {
        match about {
            About::Nothing => {}
            About::Account(kind) => self.accounts.count(kind),
            About::ChatGroup { kind, destroyed } => {
                self.chat_groups.count(kind);
                self.chat_groups_destroyed += u64::from(destroyed);
            }
            About::Owner { kind, groups, records, loss } => {
                self.owners.count(kind);
                self.groups.add(groups);
                self.records.add(records);
                let Some(loss) = loss else { return };
                self.emptied += u64::from(loss.everything);
                match self.losses.len() < NAMED {
                    true => self.losses.push(loss),
                    false => self.more_losses += 1,
                }
            }
        }
    }
}

impl ChangeCounts {
    fn count(&mut self, kind: ChangeKind) {
        *match kind {
            ChangeKind::Created => &mut self.created,
            ChangeKind::Replaced => &mut self.replaced,
            ChangeKind::Unchanged => &mut self.unchanged,
        } += 1;
    }
}

impl PartCounts {
    fn add(&mut self, other: PartCounts) {
        self.added += other.added;
        self.removed += other.removed;
        self.changed += other.changed;
    }
}

/// Compares an owner before and after an import. `made_known` says whether the import creates the account.
pub(super) fn of_owner(owner: &Owner, before: &Organizer, after: &Organizer, made_known: bool) -> About {
    let kind = ChangeKind::of(!before.is_pristine(), made_known || before != after);
    let (groups, records) = match kind {
        ChangeKind::Unchanged => Default::default(),
        ChangeKind::Created | ChangeKind::Replaced => (groups(before, after), records(before, after)),
    };
    let loss = (groups.removed + records.removed > 0).then(|| Loss {
        app: owner.app.number(),
        user: owner.user.to_string(),
        groups: groups.removed,
        records: records.removed,
        everything: after.groups().is_empty() && after.records().is_empty(),
    });
    About::Owner { kind, groups, records, loss }
}

fn groups(before: &Organizer, after: &Organizer) -> PartCounts {
    let named: HashMap<_, _> = before.groups().iter().map(|group| (group.id, &group.name)).collect();
    let (mut parts, mut kept) = (PartCounts::default(), 0);
    for group in after.groups() {
        match named.get(&group.id) {
            None => parts.added += 1,
            Some(name) => {
                kept += 1;
                parts.changed += u64::from(**name != group.name);
            }
        }
    }
    parts.removed = named.len() as u64 - kept;
    parts
}

fn records(before: &Organizer, after: &Organizer) -> PartCounts {
    let old: HashMap<&Conversation, &Record> =
        before.records().iter().map(|record| (&record.conversation, &**record)).collect();
    let mut parts = PartCounts::default();
    let mut kept = HashSet::new();
    for record in after.records() {
        match old.get(&record.conversation) {
            None => parts.added += 1,
            Some(old) => {
                kept.insert(&record.conversation);
                parts.changed += u64::from(!says_the_same(old, record));
            }
        }
    }
    parts.removed = (old.len() - kept.len()) as u64;
    parts
}

/// Returns whether two records about the same conversation have the same content. Change numbers are ignored.
fn says_the_same(one: &Record, other: &Record) -> bool {
    one.groups == other.groups
        && one.mark == other.mark
        && one.custom == other.custom
        && one.timestamp == other.timestamp
}
