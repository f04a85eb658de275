//! What clients got from a server counts for nothing in a copy of its data that was made before, not even when the copy
//! has meanwhile made as many changes, so that all numbers are the same again.

use confold::call::Header;
use serde_json::json;

use super::caller::{Caller, Kind};
use crate::{
    bodies::{
        Call, Calls, chat, create_contact_group, create_group, destroy_group, get_contact_group,
        mark_contact, user,
    },
    undo::{ids, undo},
};

const OWNER: &str = "ann";

/// What happens on the original after it was copied, or on the copy instead.
type Changes = fn(&mut Caller);

fn note(text: &str) -> Call {
    mark_contact(OWNER).custom(user("bob"), text)
}

fn state(caller: &Caller) -> String {
    let page = caller.with_headers(&get_contact_group(OWNER), &[(Header::State, "1")]);
    page["State"].as_str().unwrap().to_owned()
}

fn is_reset(caller: &mut Caller, since: &str) -> bool {
    let call = Call::new("confold/changes", json!({"From_Account": OWNER, "Since": since}));
    caller.succeeds(&call).get("Reset").is_some()
}

/// A server in whose directory a copy from some time ago was restored.
struct Restored {
    caller: Caller,
    /// The state when the copy was made.
    before: String,
    /// The state of the original in the end.
    lost: String,
    /// The id of the last event of the original.
    lost_event: String,
}

/// Copies a server that is running, or that has been stopped, makes changes, and restores the copy, which makes other
/// changes.
fn restored(is_stopped: bool, later: Changes, instead: Changes) -> Restored {
    let mut caller = Caller::start(Kind::Disk);
    caller.succeeds(&create_group("g"));
    caller.succeeds(&create_contact_group(OWNER, "friends").with(chat("g")).with(user("bob")));
    let before = state(&caller);
    match is_stopped {
        true => caller.restart_with_copy(),
        false => caller.copy(),
    }
    later(&mut caller);
    let (lost, lost_event) = (state(&caller), ids(&mut caller, OWNER)[0].clone());
    caller.clock.advance(1);
    assert!(caller.restore_copy());
    instead(&mut caller);
    Restored { caller, before, lost, lost_event }
}

#[test]
fn a_state_of_the_original_is_from_another_life_for_the_copy() {
    let twice: (Changes, Changes) = (
        |original| ["1", "2"].iter().for_each(|text| _ = original.succeeds(&note(text))),
        |copy| ["3", "4"].iter().for_each(|text| _ = copy.succeeds(&note(text))),
    );
    // The owner's version stays the same, and only the numbers of the disbandings rise.
    let disbanding: (Changes, Changes) = (
        |original| _ = original.succeeds(&destroy_group("g")),
        |copy| {
            copy.succeeds(&create_group("h"));
            copy.succeeds(&destroy_group("h"));
        },
    );
    for (later, instead) in [twice, disbanding] {
        for is_stopped in [false, true] {
            let Restored { mut caller, before, lost, .. } = restored(is_stopped, later, instead);
            assert!(is_reset(&mut caller, &lost), "stopped: {is_stopped}");
            assert_eq!(caller.reply_to(&note("5").field("IfInState", lost.as_str()))["ErrorCode"], 50002);
            // Whatever was before the copy counts, and so does what comes from the copy.
            assert!(!is_reset(&mut caller, &before), "stopped: {is_stopped}");
            let now = state(&caller);
            caller.restart();
            assert!(!is_reset(&mut caller, &now) && !is_reset(&mut caller, &before));
            caller.succeeds(&note("5").field("IfInState", now));
        }
    }
}

#[test]
fn an_event_of_the_original_is_not_one_of_the_copy() {
    let Restored { mut caller, lost_event, .. } =
        restored(false, |original| _ = original.succeeds(&note("1")), |copy| _ = copy.succeeds(&note("2")));
    let own = ids(&mut caller, OWNER)[0].clone();
    assert_ne!(own, lost_event);
    let page = Call::new("confold/history", json!({"From_Account": OWNER, "Before": lost_event}));
    for call in [page, undo(OWNER, "Change", &lost_event)] {
        let reply = caller.reply_to(&call);
        assert_eq!(reply["ErrorCode"], 50002, "{reply}");
    }
    caller.succeeds(&undo(OWNER, "Change", &own));
}
