//! What lines do, or would do, to what is there: counted, and by name where something is lost.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::domain::{Conversation, Organizer, Owner, Record};

/// How many owners who lose something are named.
const NAMED: usize = 10;

/// What one line does.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// Whether it changes anything.
    pub changed: bool,
    pub(super) about: About,
}

#[derive(Clone, Debug, Default)]
pub(super) enum About {
    /// Nothing that is counted.
    #[default]
    Nothing,
    Account(Turn),
    ChatGroup {
        turn: Turn,
        destroyed: bool,
    },
    Owner {
        turn: Turn,
        groups: Parts,
        records: Parts,
        loss: Option<Loss>,
    },
}

/// What becomes of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Created,
    Replaced,
    Unchanged,
}

impl Turn {
    /// Of something that was there or not, and differs from what is there then or does not.
    pub(super) fn of(was_there: bool, differs: bool) -> Turn {
        match (was_there, differs) {
            (_, false) => Turn::Unchanged,
            (true, true) => Turn::Replaced,
            (false, true) => Turn::Created,
        }
    }
}

/// Things, by what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Turns {
    /// They were not there.
    pub created: u64,
    /// They were there, and are something else now.
    pub replaced: u64,
    /// They are what they were.
    pub unchanged: u64,
}

/// Parts of owners, by what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Parts {
    /// They are new.
    pub added: u64,
    /// They are gone.
    pub removed: u64,
    /// They are there still, and say something else.
    pub changed: u64,
}

/// What an owner loses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Loss {
    /// His app.
    #[serde(rename = "SdkAppId")]
    pub app: u32,
    /// His id.
    #[serde(rename = "From_Account")]
    pub user: String,
    /// How many groups are gone.
    pub groups: u64,
    /// How many records are gone.
    pub records: u64,
    /// Whether that was all he had, and nothing is in its place.
    pub everything: bool,
}

/// What all lines do together, each counted as if it came alone: a line about what an earlier one is about is counted
/// against what was there before both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tally {
    /// Accounts that have a line of their own.
    pub accounts: Turns,
    /// Chat groups.
    pub chat_groups: Turns,
    /// Chat groups that lived and are destroyed, with whatever is kept about them.
    pub chat_groups_destroyed: u64,
    /// Owners.
    pub owners: Turns,
    /// Their groups.
    pub groups: Parts,
    /// Their records.
    pub records: Parts,
    /// The first owners who lose groups or records.
    pub losses: Vec<Loss>,
    /// How many more there are.
    pub more_losses: u64,
    /// How many owners lose all they had.
    pub emptied: u64,
}

impl Tally {
    /// Counts a line.
    pub(super) fn count(&mut self, about: About) {
        match about {
            About::Nothing => {}
            About::Account(turn) => self.accounts.count(turn),
            About::ChatGroup { turn, destroyed } => {
                self.chat_groups.count(turn);
                self.chat_groups_destroyed += u64::from(destroyed);
            }
            About::Owner { turn, groups, records, loss } => {
                self.owners.count(turn);
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

impl Turns {
    fn count(&mut self, turn: Turn) {
        *match turn {
            Turn::Created => &mut self.created,
            Turn::Replaced => &mut self.replaced,
            Turn::Unchanged => &mut self.unchanged,
        } += 1;
    }
}

impl Parts {
    fn add(&mut self, other: Parts) {
        self.added += other.added;
        self.removed += other.removed;
        self.changed += other.changed;
    }
}

/// What an owner becomes, in the place of the one before; `made_known` when his account is new.
pub(super) fn of_owner(owner: &Owner, before: &Organizer, after: &Organizer, made_known: bool) -> About {
    let turn = Turn::of(!before.is_pristine(), made_known || before != after);
    let (groups, records) = match turn {
        Turn::Unchanged => Default::default(),
        Turn::Created | Turn::Replaced => (groups(before, after), records(before, after)),
    };
    let loss = (groups.removed + records.removed > 0).then(|| Loss {
        app: owner.app.number(),
        user: owner.user.to_string(),
        groups: groups.removed,
        records: records.removed,
        everything: after.groups().is_empty() && after.records().is_empty(),
    });
    About::Owner { turn, groups, records, loss }
}

fn groups(before: &Organizer, after: &Organizer) -> Parts {
    let named: HashMap<_, _> = before.groups().iter().map(|group| (group.id, &group.name)).collect();
    let (mut parts, mut kept) = (Parts::default(), 0);
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

fn records(before: &Organizer, after: &Organizer) -> Parts {
    let old: HashMap<&Conversation, &Record> =
        before.records().iter().map(|record| (&record.conversation, &**record)).collect();
    let mut parts = Parts::default();
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

/// Whether two records about a conversation say the same, whatever their numbers.
fn says_the_same(one: &Record, other: &Record) -> bool {
    one.groups == other.groups
        && one.mark == other.mark
        && one.custom == other.custom
        && one.timestamp == other.timestamp
}
