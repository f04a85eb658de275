//! Undoing the last call, everything after a call, and a call in the middle, for random histories.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Draws,
    caller::{Caller, Kind},
};
use crate::{
    bodies::{
        Call, Calls, chat, create_contact_group, create_group, del_contact_group, mark_contact,
        regroup_contacts, rename_contact_group, user,
    },
    undo::{Flat, ids, state, undo},
};

impl Draws {
    fn peer(&mut self) -> Value {
        match self.below(6) {
            peer @ 0..5 => user(&format!("peer{peer}")),
            _ => chat("club"),
        }
    }

    fn group(&mut self) -> String {
        format!("group {}", self.below(4))
    }

    fn marks(&mut self, owner: &str) -> Call {
        let (peer, bit) = (self.peer(), self.small(4));
        match self.below(4) {
            0 => mark_contact(owner).clear(peer, [bit]),
            1 => mark_contact(owner).custom(peer, self.pick(&["", "x", "y"])),
            2 => mark_contact(owner).set_custom(peer, [bit], "z").set(self.peer(), [bit, 9]),
            _ => mark_contact(owner).set(peer, [bit]),
        }
    }

    /// Draws a call, which may be refused or change nothing.
    fn call(&mut self, owner: &str) -> Call {
        match self.below(8) {
            0 | 1 => create_contact_group(owner, &self.group()).with(self.peer()).with(self.peer()),
            2 => rename_contact_group(owner, &self.group(), &self.group()),
            3 => regroup_contacts(owner, &self.group()).add(self.peer()).remove(self.peer()),
            4 => del_contact_group(owner, &[&self.group(), &self.group()]),
            _ => self.marks(owner),
        }
    }
}

fn with_club(kind: Kind) -> Caller {
    let mut caller = Caller::start(kind);
    caller.succeeds(&create_group("club"));
    caller
}

/// Undoes the last call after each call of these histories, and at the end everything after each call.
fn undo_last_and_since(kind: Kind, histories: u64) {
    let mut caller = with_club(kind);
    let (mut undone, mut restored) = (0, 0);
    for history in 0..histories {
        let mut draws = Draws::of(history);
        let owner = format!("owner{history}");
        // The states after the events, and the ids of these events.
        let mut states = vec![];
        let mut before = Flat::new();
        for _ in 0..12 {
            caller.reply_to(&draws.call(&owner));
            let Some(last) = ids(&mut caller, &owner).first().cloned() else { continue };
            let after = state(&mut caller, &owner);
            if states.last().is_some_and(|(id, _)| *id == last) {
                assert_eq!(after, before, "a call without an event should change nothing");
                continue;
            }
            let reply = caller.succeeds(&undo(&owner, "Change", &last));
            assert_eq!(state(&mut caller, &owner), before, "{owner}: the undo of {last}: {reply}");
            assert_eq!((&reply["KeptItem"], &reply["EventCount"]), (&json!([]), &json!(1)));
            // The undo has an event, too, and can be undone.
            let own = ids(&mut caller, &owner)[0].clone();
            assert_eq!(reply["EventId"], own.as_str());
            caller.succeeds(&undo(&owner, "Change", &own));
            assert_eq!(state(&mut caller, &owner), after, "{owner}: the undo of the undo {own}");
            let last = ids(&mut caller, &owner)[0].clone();
            states.push((last, after.clone()));
            before = after;
            undone += 1;
        }
        let Some((last, end)) = states.last().cloned() else { continue };
        for (id, expected) in &states {
            caller.succeeds(&undo(&owner, "Since", id));
            assert_eq!(state(&mut caller, &owner), *expected, "{owner}: everything after {id}");
            caller.succeeds(&undo(&owner, "Since", &last));
            assert_eq!(state(&mut caller, &owner), end, "{owner}: back to {last}");
            restored += 1;
        }
    }
    assert!(undone > 5 * histories && restored > 5 * histories, "{undone} {restored}");
}

fn changed(old: &Flat, new: &Flat) -> BTreeSet<String> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}

/// Undoes a call in the middle of each of these histories.
fn undo_in_the_middle(kind: Kind, histories: u64) {
    let mut caller = with_club(kind);
    let mut kept = 0;
    for history in 0..histories {
        let mut draws = Draws::of(history);
        let owner = format!("owner{history}");
        let mut states = vec![(String::new(), Flat::new())];
        while states.len() < 10 {
            caller.reply_to(&draws.marks(&owner));
            let last = ids(&mut caller, &owner).first().cloned().unwrap_or_default();
            if states.last().unwrap().0 != last {
                states.push((last, state(&mut caller, &owner)));
            }
        }
        let events = u64::try_from(states.len() - 1).unwrap();
        let chosen = 1 + usize::try_from(draws.below(events)).unwrap();
        let reverted = changed(&states[chosen - 1].1, &states[chosen].1);
        let later: BTreeSet<String> =
            (states[chosen..].windows(2)).flat_map(|pair| changed(&pair[0].1, &pair[1].1)).collect();
        let mut expected = states.last().unwrap().1.clone();
        for name in reverted.difference(&later) {
            match states[chosen - 1].1.get(name) {
                Some(value) => _ = expected.insert(name.clone(), value.clone()),
                None => _ = expected.remove(name),
            }
        }
        let reply = caller.succeeds(&undo(&owner, "Change", &states[chosen].0));
        assert_eq!(state(&mut caller, &owner), expected, "{owner}: {reply}");
        let items = reply["KeptItem"].as_array().unwrap();
        assert!(items.iter().all(|item| item["Reason"] == "ChangedLater" && item["ResultCode"] == 0));
        let differs = reverted.iter().any(|name| states[chosen - 1].1.get(name) != expected.get(name));
        assert_eq!(!items.is_empty(), differs, "{owner}: {reply}");
        kept += u64::from(differs);
    }
    assert!((histories / 20..histories).contains(&kept), "{kept} undos kept something");
}

#[test]
fn undoing_the_last_call_and_everything_after_a_call_gives_the_state_before() {
    undo_last_and_since(Kind::Memory, 30);
    undo_last_and_since(Kind::Disk, 10);
}

#[test]
fn the_undo_of_a_call_in_the_middle_keeps_what_later_calls_changed() {
    undo_in_the_middle(Kind::Memory, 40);
}

/// The long form: `cargo test --locked --test it histories::undo -- --ignored`
#[test]
#[ignore = "thirty histories are enough for every run of the suite"]
fn undoing_gives_the_state_before_in_a_thousand_histories() {
    undo_last_and_since(Kind::Memory, 1_000);
    undo_last_and_since(Kind::Disk, 1_000);
}

/// The long form: `cargo test --locked --test it histories::undo -- --ignored`
#[test]
#[ignore = "forty histories are enough for every run of the suite"]
fn the_undo_of_a_call_in_the_middle_keeps_later_changes_in_a_thousand_histories() {
    undo_in_the_middle(Kind::Memory, 1_000);
    undo_in_the_middle(Kind::Disk, 1_000);
}
