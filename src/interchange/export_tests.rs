//! Everything in a store can be exported and imported again: random changes and random lines, with counters
//! at zero, at random values, and at their limits.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::Clock,
    domain::{
        self, ChatGroupEdit, ChatGroupId, ChatGroupKind, ChatGroupProfile, Conversation, CustomMark,
        DirectoryMode, Edit, GroupName, JoinOption, LAST_SECOND, Limits, MAX_NUMBER, MarkChange,
        MemberChange, UnixSeconds, UserId,
    },
    interchange::{ImportReport, ImportTerms, Purpose, take_in, unfinished_line::LONGEST_LINE},
    store::{self, ChatGroupWrite, Write},
    testing::block_on,
};

const APP: u32 = 7;
const LIMITS: Limits = Limits { groups: 4, grouped: 8, marked: 8 };

fn owner(index: u8) -> Owner {
    Owner { app: AppId::new(APP).unwrap(), user: UserId::parse(&format!("u{index}")).unwrap() }
}

fn chat_group(index: u8) -> ChatGroupId {
    ChatGroupId::parse(&format!("g{index}")).unwrap()
}

/// Returns a user for an even number, and a chat group for an odd one.
fn peer(index: u8) -> Conversation {
    match index % 2 {
        0 => Conversation::User(UserId::parse(&format!("u{}", index / 2)).unwrap()),
        _ => Conversation::ChatGroup(chat_group(index / 2)),
    }
}

fn name(index: u8) -> GroupName {
    GroupName::parse(&format!("n{index}")).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Line(Value),
    Create(u8, u8, Vec<u8>),
    Rename(u8, u8, u8),
    Update(u8, u8, Vec<(bool, u8)>),
    Delete(u8, u8),
    Mark(u8, Vec<(u8, Option<u8>)>),
    DeleteAccount(u8),
    CreateChatGroup(u8),
    DestroyChatGroup(u8),
}

/// Returns a counter: near zero, random, at its limit, or above its limit, where it is refused.
fn counter() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0..4u32, 1 => 0..=MAX_NUMBER, 4 => MAX_NUMBER - 3..=MAX_NUMBER, 1 => Just(MAX_NUMBER + 1)]
}

fn time() -> impl Strategy<Value = UnixSeconds> {
    prop_oneof![3 => 0..5u64, 4 => LAST_SECOND - 3..=LAST_SECOND, 1 => Just(LAST_SECOND + 1)]
}

fn organizer_line() -> impl Strategy<Value = Value> {
    let groups = vec((counter(), option::of(counter())), 0..3);
    let records = vec((0..6u8, any::<bool>(), time(), option::of(counter())), 0..4);
    let counters = option::of((counter(), counter(), counter(), time(), time()));
    (0..3u8, any::<bool>(), groups, records, counters, any::<bool>()).prop_map(
        |(user, known, mut groups, mut records, counters, numbered)| {
            groups.sort_unstable();
            records.sort_by_key(|(_, _, time, number)| (*time, *number));
            let number = |number: Option<u32>| {
                number.filter(|_| numbered).map_or(json!({}), |n| json!({ "Number": n }))
            };
            let with = |mut line: Value, number: Value| {
                line.as_object_mut().unwrap().extend(number.as_object().unwrap().clone());
                line
            };
            let groups: Vec<Value> = (groups.iter().enumerate())
                .map(|(at, (id, n))| {
                    with(json!({ "GroupName": format!("n{at}"), "GroupId": id }), number(*n))
                })
                .collect();
            let ids: Vec<Value> = groups.iter().map(|group| group["GroupId"].clone()).collect();
            let records = records.iter().map(|(peer, grouped, time, n)| {
                let kind = match peer % 2 {
                    0 => json!({ "Type": 1, "To_Account": format!("u{}", peer / 2) }),
                    _ => json!({ "Type": 2, "ToGroupId": format!("g{}", peer / 2) }),
                };
                let held =
                    if *grouped { json!({ "ContactGroupId": ids }) } else { json!({ "StandardMark": "1" }) };
                with(with(with(json!({ "Timestamp": time }), kind), held), number(*n))
            });
            let line = json!({
                "Kind": "organizer", "SdkAppId": APP, "From_Account": format!("u{user}"), "Account": known,
                "ContactItem": records.collect::<Vec<_>>(), "GroupItem": groups,
            });
            with(
                line,
                counters.map_or(json!({}), |(version, renumberings, last_group, last_time, renumbered)| {
                    json!({
                        "Version": version, "Renumberings": renumberings, "LastGroupId": last_group,
                        "LastTimestamp": last_time, "LastRenumbering": renumbered,
                    })
                }),
            )
        },
    )
}

fn chat_group_line() -> impl Strategy<Value = Value> {
    (0..3u8, counter(), any::<bool>(), any::<i64>(), option::of(counter())).prop_map(
        |(index, incarnation, destroyed, time, most)| {
            let mut line = json!({
                "Kind": "chat_group", "SdkAppId": APP, "GroupId": format!("g{index}"), "Incarnation": incarnation,
                "Destroyed": destroyed, "CreateTime": time,
            });
            if let Some(most) = most {
                line["MaxMemberCount"] = most.into();
            }
            line
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<(Step, UnixSeconds)>> {
    let (user, name) = (0..3u8, 0..5u8);
    let step = prop_oneof![
        3 => organizer_line().prop_map(Step::Line),
        2 => chat_group_line().prop_map(Step::Line),
        4 => (user.clone(), name.clone(), vec(0..6u8, 1..4)).prop_map(|(user, name, peers)| Step::Create(user, name, peers)),
        1 => (user.clone(), name.clone(), name.clone()).prop_map(|(user, old, new)| Step::Rename(user, old, new)),
        2 => (user.clone(), name.clone(), vec((any::<bool>(), 0..6u8), 1..4)).prop_map(|(user, name, changes)| Step::Update(user, name, changes)),
        1 => (user.clone(), name).prop_map(|(user, name)| Step::Delete(user, name)),
        3 => (user.clone(), vec((0..6u8, option::of(0..3u8)), 1..4)).prop_map(|(user, items)| Step::Mark(user, items)),
        1 => user.prop_map(Step::DeleteAccount),
        2 => (0..3u8).prop_map(Step::CreateChatGroup),
        2 => (0..3u8).prop_map(Step::DestroyChatGroup),
    ];
    // Edits must accept any time, even one that the clock never returns.
    let now = select(vec![0, 3, 1_700_000_000, LAST_SECOND - 1, LAST_SECOND, LAST_SECOND + 1, u64::MAX]);
    vec((step, now), 1..25)
}

/// Runs the edit of a command. A refused edit changes nothing.
async fn take(store: &dyn Store, step: Step, now: UnixSeconds) {
    let terms = || domain::Terms { directory: DirectoryMode::Open, ..domain::Terms::of_tools(LIMITS, now) };
    let peers = |peers: &[u8]| peers.iter().copied().map(peer).collect::<Vec<_>>();
    let (user, edit) = match step {
        Step::Line(line) => return drop(imported(store, &line.to_string()).await),
        Step::Create(user, group, named) => {
            (user, Edit::CreateGroup { name: name(group), conversations: peers(&named) })
        }
        Step::Rename(user, old, new) => (user, Edit::RenameGroup { name: name(old), new: name(new) }),
        Step::Update(user, group, changes) => {
            let kind = |add| if add { MemberChange::Add } else { MemberChange::Remove };
            let changes = changes.into_iter().map(|(add, index)| (kind(add), peer(index))).collect();
            (user, Edit::ChangeMembers { name: name(group), changes })
        }
        Step::Delete(user, group) => (user, Edit::DeleteGroup { name: name(group) }),
        Step::Mark(user, items) => {
            let item = |(index, custom): (u8, Option<u8>)| {
                let custom = custom.map(|length| CustomMark::parse(&"\u{1}".repeat(length.into())).unwrap());
                Ok((peer(index), MarkChange { standard: None, custom }))
            };
            (user, Edit::Mark { items: items.into_iter().map(item).collect() })
        }
        Step::DeleteAccount(user) => (user, Edit::DeleteAccount),
        Step::CreateChatGroup(index) => {
            let edit = ChatGroupEdit::Create { profile: profile(now), members: Vec::new() };
            return take_chat_group(store, index, edit, terms()).await;
        }
        Step::DestroyChatGroup(index) => {
            return take_chat_group(store, index, ChatGroupEdit::Destroy, terms()).await;
        }
    };
    drop(store.commit(Write::new(owner(user), edit, terms())).await.unwrap());
}

async fn take_chat_group(store: &dyn Store, index: u8, edit: ChatGroupEdit, terms: domain::Terms) {
    let write = ChatGroupWrite::new(AppId::new(APP).unwrap(), chat_group(index), edit, terms);
    drop(store.commit_chat_group(write).await.unwrap());
}

fn profile(now: UnixSeconds) -> ChatGroupProfile {
    ChatGroupProfile {
        kind: ChatGroupKind::Work,
        name: "name".to_owned(),
        owner: None,
        introduction: String::new(),
        notification: String::new(),
        face_url: String::new(),
        max_members: ChatGroupProfile::DEFAULT_MEMBERS,
        join_option: JoinOption::default(),
        // The clock never returns a later time.
        created_at: now.min(LAST_SECOND),
        details: domain::ProfileDetails::default(),
    }
}

async fn exported(store: &Arc<dyn Store>) -> String {
    let mut export = Export::new(Arc::clone(store), None);
    let mut text = Vec::new();
    while let Some(lines) = export.next().await.unwrap() {
        text.extend(lines);
    }
    String::from_utf8(text).unwrap()
}

async fn imported(store: &dyn Store, text: &str) -> ImportReport {
    let terms = ImportTerms::of_tools(Purpose::Apply, LIMITS, Clock::system());
    take_in(store, terms, text.as_bytes()).await.unwrap()
}

async fn checked(store: &dyn Store, text: &str) -> ImportReport {
    let terms = ImportTerms::of_tools(Purpose::Check, LIMITS, Clock::system());
    take_in(store, terms, text.as_bytes()).await.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_state_that_can_be_reached_is_exported_and_imported_again(steps in steps()) {
        block_on(async {
            let store = store::in_memory();
            for (step, now) in steps {
                let shown = format!("{step:?}");
                if let Step::Line(line) = &step {
                    // A line that passes the check can be applied, and vice versa.
                    let line = line.to_string();
                    let faults = checked(&*store, &line).await.faults;
                    prop_assert_eq!(faults, imported(&*store, &line).await.faults, "{}", shown);
                } else {
                    take(&*store, step, now).await;
                }
                let first = exported(&store).await;
                let other = store::in_memory();
                prop_assert_eq!(checked(&*other, &first).await.faults, vec![], "{} then {}", shown, first);
                prop_assert_eq!(imported(&*other, &first).await.faults, vec![], "{} then {}", shown, first);
                prop_assert_eq!(&exported(&other).await, &first, "{}", shown);
                prop_assert_eq!(imported(&*other, &first).await.changed, 0, "the second time: {}", first);
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_is_checked_can_be_applied(lines in vec(chat_group_line(), 1..8)) {
        block_on(async {
            let text = lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n");
            let store = store::in_memory();
            let (checked, applied) = (checked(&*store, &text).await.faults, imported(&*store, &text).await.faults);
            prop_assert_eq!(checked.first(), applied.first(), "{}", text);
            Ok(())
        })?;
    }
}

#[test]
fn the_line_of_the_heaviest_owner_is_no_longer_than_a_line_may_be() {
    let custom = "\\u0001".repeat(CustomMark::MAX_BYTES);
    let most = u32::try_from(Limits::OPEN.groups).unwrap();
    let groups: Vec<_> = (0..most)
        .map(|at| {
            json!({
                "GroupName": format!("{}{at:03}", "\"".repeat(29)), "GroupId": MAX_NUMBER - at, "Number": at + 1,
            })
        })
        .collect();
    let ids: Vec<_> = (0..most).rev().map(|at| MAX_NUMBER - at).collect();
    let ids = serde_json::to_string(&ids).unwrap();
    let records: Vec<_> = (0..20_000)
        .map(|at| {
            let held = match at % 2 {
                0 => format!(r#""ContactGroupId":{ids}"#),
                _ => format!(r#""StandardMark":"{}","CustomMark":"{custom}""#, "1".repeat(64)),
            };
            let id = format!("{}{at:05}", "\\\"".repeat(ChatGroupId::MAX_BYTES - 5));
            let number = MAX_NUMBER - 20_000 + at;
            format!(r#"{{"Type":2,"ToGroupId":"{id}",{held},"Timestamp":{LAST_SECOND},"Number":{number}}}"#)
        })
        .collect();
    let line = format!(
        r#"{{"Kind":"organizer","SdkAppId":{APP},"From_Account":"u0","LastGroupId":{MAX_NUMBER},"GroupItem":{},"ContactItem":[{}]}}"#,
        serde_json::to_string(&groups).unwrap(),
        records.join(",")
    );
    block_on(async {
        let store = store::in_memory();
        let terms = ImportTerms::of_tools(Purpose::Apply, Limits::OPEN, Clock::system());
        assert_eq!(take_in(&*store, terms, line.as_bytes()).await.unwrap().faults, []);
        let exported = exported(&store).await;
        println!("{} bytes of {LONGEST_LINE}", exported.len());
        assert!(exported.len() > 30_000_000 && exported.len() < LONGEST_LINE, "{}", exported.len());
    });
}
