//! Clients that follow the changes of owners hold exactly what a full read gives, whatever happens in the meantime. A
//! conditional change succeeds only for a client that is up to date.

use confold::call::Header;
use serde_json::{Value, json};

use super::{
    Draws,
    caller::{Caller, Kind, RETENTION},
};
use crate::{
    bodies::{
        Calls, account_delete, chat, create_contact_group, create_group, del_contact_group, destroy_group,
        get_contact_group, get_contact_group_from, mark_contact, regroup_contacts, rename_contact_group,
        user,
    },
    harness::APP,
    sync::{Copy, key},
    undo,
};

const OWNERS: [&str; 2] = ["ann", "ben"];
const CHAT_GROUPS: u64 = 3;

/// A history with a client for each owner.
struct History {
    caller: Caller,
    draws: Draws,
    clients: Vec<Client>,
    has_snapshot: bool,
    seen: Seen,
}

/// A client that follows an owner.
#[derive(Default)]
struct Client {
    owner: &'static str,
    copy: Copy,
    /// Whether the client has read everything and nothing has happened since that concerns the owner.
    is_current: bool,
}

/// How often each of these things happened in all histories, so that the test fails if one of them never happens.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    resets: usize,
    held: usize,
    refused: usize,
    restarts: usize,
    copies: usize,
    undone: usize,
}

impl History {
    fn new(kind: Kind, number: u64) -> History {
        let clients = OWNERS.map(|owner| Client { owner, ..Client::default() }).into();
        History {
            caller: Caller::start(kind),
            draws: Draws::of(number),
            clients,
            has_snapshot: false,
            seen: Seen::default(),
        }
    }

    fn run(mut self, steps: usize) -> Seen {
        for _ in 0..steps {
            let seconds = self.draws.below(6);
            self.caller.clock.advance(u32::try_from(seconds).unwrap());
            let index = usize::try_from(self.draws.below(OWNERS.len() as u64)).unwrap();
            match self.draws.below(20) {
                0..8 => self.change(index),
                8..13 => self.read(index),
                13 => self.catch_up(index),
                14 | 15 => self.write_if_current(index),
                16 => self.read_pages(index),
                _ => self.disturb(index),
            }
        }
        for index in 0..OWNERS.len() {
            self.catch_up(index);
            let Client { owner, copy, .. } = &mut self.clients[index];
            let (state, resets) = (copy.state.clone(), copy.resets);
            assert!(!copy.read(&mut self.caller, owner, 1), "nothing is left");
            assert_eq!((&copy.state, copy.resets), (&state, resets), "nothing is listed twice");
            self.seen.resets += resets;
        }
        self.seen
    }

    fn peer(&mut self) -> Value {
        match self.draws.below(10) {
            0..3 => chat(&format!("g{}", self.draws.below(CHAT_GROUPS))),
            _ => user(&format!("u{}", self.draws.below(12))),
        }
    }

    fn group(&mut self) -> String {
        format!("group {}", self.draws.below(5))
    }

    /// Makes one of the calls that change an owner.
    fn change(&mut self, index: usize) {
        let owner = OWNERS[index];
        let (peer, other, name) = (self.peer(), self.peer(), self.group());
        let call = match self.draws.below(12) {
            0..3 => mark_contact(owner).set_custom(peer, [self.draws.small(64)], "x").set(other, [1]),
            3 => mark_contact(owner).custom(peer, "").clear(other, [1]),
            4..7 => create_contact_group(owner, &name).with(peer).with(other),
            7 | 8 => regroup_contacts(owner, &name).remove(peer).add(other),
            9 => del_contact_group(owner, &[&name]),
            10 => rename_contact_group(owner, &name, &self.group()),
            _ => {
                // More changes than fit into one page.
                let bits = [self.draws.small(64)];
                (0..12).fold(mark_contact(owner), |call, peer| call.set(user(&format!("u{peer}")), bits))
            }
        };
        self.caller.reply_to(&call);
        self.clients[index].is_current = false;
    }

    fn most(&mut self) -> usize {
        let most = match self.draws.below(3) {
            0 => 1,
            1 => 1 + self.draws.below(5),
            _ => 1 + self.draws.below(100),
        };
        usize::try_from(most).unwrap()
    }

    fn read(&mut self, index: usize) {
        let most = self.most();
        let Client { owner, copy, .. } = &mut self.clients[index];
        copy.read(&mut self.caller, owner, most);
    }

    fn catch_up(&mut self, index: usize) {
        let most = self.most();
        let Client { owner, copy, is_current } = &mut self.clients[index];
        copy.catch_up(&mut self.caller, owner, most);
        *is_current = true;
    }

    /// Makes a change on the condition that nothing has changed. It may only be made if the client holds everything, and
    /// it has to be made if nothing has happened since the client has read everything.
    fn write_if_current(&mut self, index: usize) {
        let (peer, bits) = (self.peer(), [self.draws.small(64)]);
        let Client { owner, copy, is_current } = &mut self.clients[index];
        let call = mark_contact(owner).set(peer, bits).field("IfInState", copy.state.as_str());
        // A dry run has the same condition, and does not change what is compared.
        let tried = self.caller.with_headers(&call, &[(Header::DryRun, "1")]);
        let holds = tried["ErrorCode"] == 0;
        assert!(holds || tried["ErrorCode"] == 50002, "{tried}");
        if holds {
            copy.check(&mut self.caller, owner);
        }
        assert!(holds || !*is_current, "nothing has happened: {tried}");
        let done = self.caller.reply_to(&call);
        assert_eq!(done["ErrorCode"], tried["ErrorCode"]);
        *is_current &= !holds;
        self.seen.held += usize::from(holds);
        self.seen.refused += usize::from(!holds);
    }

    /// Starts over with the pages of a full read, between which there are changes, and goes on from the state of the
    /// first.
    fn read_pages(&mut self, index: usize) {
        let owner = OWNERS[index];
        let mut copy = Copy::default();
        let mut page = self.caller.with_headers(&get_contact_group(owner), &[(Header::State, "1")]);
        page["State"].as_str().unwrap().clone_into(&mut copy.state);
        loop {
            let groups = page["GroupItem"].as_array().unwrap();
            copy.groups =
                groups.iter().map(|group| (group["GroupId"].as_u64().unwrap(), group.clone())).collect();
            let records = page["ContactItem"].as_array().unwrap();
            copy.records.extend(records.iter().map(|record| (key(record), record.clone())));
            if page["CompleteFlag"] == 1 {
                break;
            }
            match self.draws.below(8) {
                0..5 => self.change(index),
                5 => self.disturb(index),
                _ => {}
            }
            let start = page["NextStartIndex"].as_u64().unwrap();
            page = self.caller.succeeds(&get_contact_group_from(owner, start));
        }
        let client = &mut self.clients[index];
        copy.resets = client.copy.resets;
        (client.copy, client.is_current) = (copy, false);
    }

    /// Does something that is not an ordinary change of this owner.
    fn disturb(&mut self, index: usize) {
        let owner = OWNERS[index];
        let everyone =
            |history: &mut History| history.clients.iter_mut().for_each(|one| one.is_current = false);
        match self.draws.below(18) {
            0..4 => {
                let id = format!("g{}", self.draws.below(CHAT_GROUPS));
                let about = key(&chat(&id));
                self.caller.reply_to(&destroy_group(&id));
                for client in &mut self.clients {
                    client.is_current &= !client.copy.records.contains_key(&about);
                }
            }
            4 | 5 => _ = self.caller.reply_to(&create_group(&format!("g{}", self.draws.below(CHAT_GROUPS)))),
            6 => {
                self.caller.succeeds(&account_delete(owner));
                self.clients[index].is_current = false;
            }
            7 => {
                let scopes =
                    [json!({}), json!({"SdkAppId": APP}), json!({"SdkAppId": APP, "From_Account": owner})];
                self.caller.control("reset", &self.draws.pick(&scopes).to_string());
                everyone(self);
            }
            8 => {
                let version = self.draws.pick(&[0u64, 0, (1 << 31) - 4]);
                let peer = format!("u{}", self.draws.below(12));
                let line = json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": owner, "Version": version,
                    "GroupItem": [], "ContactItem": [{"Type": 1, "To_Account": peer, "StandardMark": "1",
                    "Timestamp": 1_600_000_000}]});
                self.caller.control("seed", &line.to_string());
                self.clients[index].is_current = false;
            }
            9 => {
                self.caller.control("snapshot", r#"{"Name":"one"}"#);
                self.has_snapshot = true;
            }
            10 if self.has_snapshot => {
                self.caller.control("restore", r#"{"Name":"one"}"#);
                everyone(self);
            }
            10 | 11 => self.undo(index),
            12..16 if self.draws.below(2) == 0 && self.caller.restore_copy() => {
                self.has_snapshot = false;
                self.seen.copies += 1;
                everyone(self);
            }
            12..16 => self.caller.copy(),
            _ => {
                // Some or all of the events are too old afterwards.
                let seconds = self.draws.below(2 * RETENTION);
                self.caller.clock.advance(u32::try_from(seconds).unwrap());
                if self.caller.restart() {
                    self.has_snapshot = false;
                    self.seen.restarts += 1;
                }
            }
        }
    }

    fn undo(&mut self, index: usize) {
        let owner = OWNERS[index];
        let ids = undo::ids(&mut self.caller, owner);
        if ids.is_empty() {
            return;
        }
        let call = undo::undo(owner, self.draws.pick(&["Change", "Since"]), &self.draws.pick(&ids));
        let reply = self.caller.reply_to(&call);
        assert!([0, 50002].contains(&reply["ErrorCode"].as_u64().unwrap()), "{reply}");
        self.seen.undone += usize::from(reply["ErrorCode"] == 0);
        self.clients[index].is_current = false;
    }
}

fn follow(kind: Kind, histories: std::ops::Range<u64>) {
    let count = usize::try_from(histories.end - histories.start).unwrap();
    let mut all = Seen::default();
    for number in histories {
        let run = std::panic::AssertUnwindSafe(|| History::new(kind, number).run(50));
        let seen = std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("history {number} in {kind:?}"));
        all.resets += seen.resets;
        all.held += seen.held;
        all.refused += seen.refused;
        all.restarts += seen.restarts;
        all.copies += seen.copies;
        all.undone += seen.undone;
    }
    let often = [all.resets, all.held, all.refused, all.undone];
    assert!(often.iter().all(|times| *times >= count / 3), "{all:?}");
    let of_disks = all.restarts.min(all.copies);
    assert!(kind == Kind::Memory || of_disks >= count / 5, "{all:?}");
}

#[test]
fn clients_that_follow_changes_hold_what_a_full_read_gives() {
    follow(Kind::Memory, 0..40);
}

#[test]
fn clients_that_follow_changes_hold_what_a_full_read_gives_although_events_are_removed() {
    follow(Kind::Disk, 0..25);
}

/// The long form: `cargo test --locked --test it histories::changes -- --ignored`
#[test]
#[ignore = "forty histories are enough for every run of the suite"]
fn clients_hold_what_a_full_read_gives_after_ten_thousand_histories() {
    follow(Kind::Memory, 0..10_000);
}

/// The long form, which is faster with the environment variable TMPDIR naming a directory in memory.
#[test]
#[ignore = "twenty-five histories are enough for every run of the suite"]
fn clients_hold_what_a_full_read_gives_after_ten_thousand_histories_on_a_disk() {
    follow(Kind::Disk, 0..10_000);
}
