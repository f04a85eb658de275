//! A copy of an app's data that is made from its feed alone, and compared with what the server answers.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::{bodies::everything, harness::Client};

/// What a program that follows the feed knows of an app.
#[derive(Default)]
pub(super) struct Copy {
    owners: HashMap<String, Owner>,
    /// The latest incarnation of each disbanded chat group.
    disbanded: HashMap<String, u64>,
    /// The ids of all events, because an event may come more than once.
    seen: HashSet<String>,
}

#[derive(Default)]
struct Owner {
    version: u64,
    groups: BTreeMap<u64, Value>,
    /// Records in the order of their numbers, each with the incarnation of its chat group.
    records: BTreeMap<u64, (Value, u64)>,
}

/// Returns what identifies a conversation.
fn conversation(item: &Value) -> (Option<&str>, Option<&str>) {
    (item["To_Account"].as_str(), item["ToGroupId"].as_str())
}

impl Copy {
    /// Applies an event, unless it came before. The events of an owner have to come in order.
    #[track_caller]
    pub(super) fn apply(&mut self, event: &Value) {
        if !self.seen.insert(event["Id"].as_str().unwrap().to_owned()) {
            return;
        }
        let kind = event["Kind"].as_str().unwrap();
        if kind == "chat_group_disbanded" {
            let latest = self.disbanded.entry(event["GroupId"].as_str().unwrap().to_owned()).or_default();
            *latest = event["Incarnation"].as_u64().unwrap().max(*latest);
            return;
        }
        let owner = self.owners.entry(event["Owner"].as_str().unwrap().to_owned()).or_default();
        let version = event["Version"].as_u64().unwrap();
        assert!(version >= owner.version, "version {version} after {}: {event}", owner.version);
        owner.version = version;
        match kind {
            "changed" => event["Changes"].as_array().unwrap().iter().for_each(|change| owner.apply(change)),
            "account_deleted" => (owner.groups, owner.records) = Default::default(),
            other => panic!("an unexpected kind: {other}"),
        }
    }

    /// The number of different events.
    pub(super) fn events(&self) -> usize {
        self.seen.len()
    }

    /// Checks that the copy of an owner is what the server has.
    #[track_caller]
    pub(super) fn is_right(&self, client: &mut Client, owner: &str) {
        let (records, groups) = everything(client, owner);
        let copy = self.owners.get(owner);
        let copied: Vec<&Value> = copy.iter().flat_map(|copy| copy.groups.values()).collect();
        assert_eq!(copied, groups.iter().collect::<Vec<_>>(), "the groups of {owner}");
        let is_alive = |(item, incarnation): &&(Value, u64)| {
            let group = item["ToGroupId"].as_str().unwrap_or_default();
            self.disbanded.get(group).is_none_or(|disbanded| disbanded <= incarnation)
        };
        let copied: Vec<&Value> = (copy.iter().flat_map(|copy| copy.records.values()).filter(is_alive))
            .map(|(item, _)| item)
            .collect();
        assert_eq!(copied, records.iter().collect::<Vec<_>>(), "the records of {owner}");
    }
}

impl Owner {
    fn apply(&mut self, change: &Value) {
        let (group, item) = (&change["GroupItem"], &change["ContactItem"]);
        let number = change["Number"].as_u64().unwrap_or(0);
        if item.is_object() {
            self.records.retain(|_, (other, _)| conversation(other) != conversation(item));
        }
        match change["Change"].as_str().unwrap() {
            "group_created" | "group_renamed" => {
                self.groups.insert(group["GroupId"].as_u64().unwrap(), group.clone());
            }
            "group_deleted" => drop(self.groups.remove(&group["GroupId"].as_u64().unwrap())),
            "record_created" | "record_changed" => {
                let incarnation = change["Incarnation"].as_u64().unwrap_or(0);
                self.records.insert(number, (item.clone(), incarnation));
            }
            "record_gone" | "record_buried" | "account_imported" | "account_changed" | "account_deleted"
            | "counters_set" => {}
            other => panic!("an unexpected change: {other}"),
        }
    }
}
