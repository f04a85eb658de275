//! The tests that every store has to pass.

mod deliveries_tests;
mod dry_runs_tests;
mod events_tests;
mod memberships_tests;
mod observed_tests;
mod profiles_tests;
mod sessions_tests;
mod touches_tests;

use std::sync::Arc;

use super::{
    Backend, ChatGroupQuery, ChatGroupWrite, Pending, Revision, Scope, Store, StoreConfig, StoreError, Write,
};
use crate::domain::{
    Account, AppId, ChatGroup, ChatGroupEdit, ChatGroupId, ChatGroupKind, ChatGroupLife, ChatGroupProfile,
    ChatGroupRejection, ChatGroupState, Conversation, DirectoryMode, Edit, GroupName, Grouped, JoinOption,
    Joining, Limits, Member, MemberChange, MembershipMode, Organizer, Outcome, Owner, Presence,
    ProfileDetails, Rejection, Terms, UserId, WantedMembers,
};
use crate::testing::block_on;

/// Runs each test of this module on each of these stores. The compiler refuses a backend without a store.
macro_rules! suite {
    ({ $($module:ident: $backend:ident { $($option:ident: $value:expr)? })+ } $tests:tt) => {
        $(mod $module {
            fn open(directory: &std::path::Path) -> std::sync::Arc<dyn super::Store> {
                let config = super::StoreConfig {
                    backend: super::Backend::$backend,
                    $($option: $value,)?
                    ..super::StoreConfig::new(directory)
                };
                super::super::open(&config).unwrap()
            }
            suite! { tests $tests }
        })+
        #[expect(unreachable_patterns, reason = "a backend is tested with several options")]
        const _: fn(Backend) = |backend| match backend { $(Backend::$backend => (),)+ };
    };
    (tests { $($test:ident)+ }) => {
        $(#[test] fn $test() {
            let directory = tempfile::tempdir().unwrap();
            super::block_on(super::$test(&*open(directory.path())));
        })+
    };
}

suite! {{
    memory: Memory {}
    sqlite: Sqlite {}
    // Without a cache, every read comes from the database.
    sqlite_without_cache: Sqlite { cache_bytes: 0 }
} {
    an_owner_never_heard_of_is_empty
    what_is_changed_is_read_back
    an_edit_that_changes_nothing_writes_nothing
    an_edit_sees_what_the_directory_says
    membership_is_looked_up_where_it_counts
    an_expected_revision_is_compared
    accounts_come_and_go
    owners_of_different_apps_are_apart
    chat_groups_come_and_go
    a_disbanding_removes_records_immediately_and_permanently
    an_event_does_not_reach_other_owners_or_apps
    concurrent_changes_of_one_owner_are_all_kept
    changes_are_made_even_if_nobody_waits
    a_panic_in_a_rule_is_its_own
    members_come_and_go
    nothing_is_written_in_a_pause
    a_closed_store_refuses_everything
    big_owners_are_read_back
    a_disbanding_counts_from_its_answer_on
    living_chat_groups_are_listed_page_by_page
    everything_is_listed_for_exports
    what_is_reset_was_never_there
    profiles_come_and_go_with_accounts
    messages_are_counted_in_each_life_of_a_chat_group
    touches_can_come_in_any_order_and_again
    a_touch_that_raises_nothing_writes_nothing
    a_touch_leaves_the_owner_as_they_are
    sessions_end_with_the_account
    a_new_life_of_a_chat_group_begins_without_times
    a_reset_ends_sessions
    many_touches_at_once_are_all_kept
    a_closed_store_takes_no_touches
    a_deleted_session_comes_back_with_a_later_message
    pins_are_listed_besides_the_newest
    a_list_leaves_out_who_does_not_exist
    sessions_of_chat_groups_follow_membership
    pins_and_deletions_are_changes_and_what_is_restored_is_not
    every_session_is_listed_once
    sessions_in_chat_groups_end_with_the_account
    a_touch_may_need_the_account
    memberships_follow_the_members
    an_ended_membership_never_shows_again
    an_import_replaces_memberships
    a_reset_ends_memberships
    details_of_chat_groups_are_read_back
    members_are_imported_with_their_times
    observed_events_lead_to_the_same_members_in_any_order
    messages_of_the_present_life_outlive_a_late_destruction
    every_change_is_recorded_once_and_in_order
    events_are_read_page_by_page_and_from_a_version
    a_write_can_expect_a_place
    a_write_can_expect_a_last_event
    a_write_says_where_the_owner_is_afterwards
    deleting_an_account_erases_its_events
    the_feed_has_every_entry_exactly_once
    a_cursor_from_another_life_shows_a_gap
    waiting_for_changes_ends_with_a_change
    a_repeated_operation_has_no_second_effect
    the_oldest_operations_are_forgotten
    a_repeated_undo_is_answered_without_its_events
    a_new_destination_begins_with_the_next_event
    progress_is_kept_by_lane
    a_reset_makes_lanes_begin_again
    given_up_events_are_listed_until_they_are_settled
    a_dry_run_keeps_nothing
    a_dry_run_among_real_edits_leaves_no_trace
    a_dry_run_of_a_chat_group_keeps_nothing
}}

use deliveries_tests::*;
use dry_runs_tests::*;
use events_tests::*;
use memberships_tests::*;
use observed_tests::*;
use profiles_tests::*;
use sessions_tests::*;
use touches_tests::*;

fn app(number: u32) -> AppId {
    AppId::new(number).unwrap()
}

fn owner(app_number: u32, user: &str) -> Owner {
    Owner { app: app(app_number), user: UserId::parse(user).unwrap() }
}

fn chat_group(id: &str) -> ChatGroupId {
    ChatGroupId::parse(id).unwrap()
}

fn user(id: &str) -> Conversation {
    Conversation::User(UserId::parse(id).unwrap())
}

fn in_group(id: &str) -> Conversation {
    Conversation::ChatGroup(chat_group(id))
}

fn member(user: &str, admin: bool) -> Member {
    Member::new(UserId::parse(user).unwrap(), admin, 1_700_000_001)
}

fn profile(name: &str) -> ChatGroupProfile {
    ChatGroupProfile {
        kind: ChatGroupKind::Meeting,
        name: name.to_owned(),
        owner: Some(UserId::parse("boss").unwrap()),
        introduction: "i".to_owned(),
        notification: "n".to_owned(),
        face_url: "f".to_owned(),
        max_members: 77,
        join_option: JoinOption::DisableApply,
        created_at: 1_700_000_000,
        details: ProfileDetails::default(),
    }
}

fn members() -> Vec<Member> {
    vec![member("zoe", true), member("bob", false)]
}

/// Returns terms with an open directory.
fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 1_700_000_000) }
}

/// Builds an edit that adds conversations to the group `name`.
fn grouping(name: &str, conversations: &[Conversation]) -> Edit {
    Edit::CreateGroup { name: GroupName::parse(name).unwrap(), conversations: conversations.to_vec() }
}

fn commit<'a>(store: &'a dyn Store, owner: &Owner, edit: Edit) -> Pending<'a, Result<Outcome, Rejection>> {
    store.commit(Write::new(owner.clone(), edit, terms()))
}

async fn keep(store: &dyn Store, owner: &Owner, name: &str, conversations: &[Conversation]) {
    commit(store, owner, grouping(name, conversations)).await.unwrap().unwrap();
}

async fn organizer(store: &dyn Store, owner: &Owner) -> Arc<Organizer> {
    store.load(owner).await.unwrap().state.organizer
}

async fn conversations(store: &dyn Store, owner: &Owner) -> Vec<Conversation> {
    organizer(store, owner).await.records().iter().map(|record| record.conversation.clone()).collect()
}

async fn set_account(store: &dyn Store, owner: &Owner, account: Account) {
    commit(store, owner, Edit::RestoreAccount(account)).await.unwrap().unwrap();
}

async fn edit_chat_group(
    store: &dyn Store,
    app: AppId,
    id: &str,
    edit: ChatGroupEdit,
) -> Result<Vec<Joining>, ChatGroupRejection> {
    let write = ChatGroupWrite::new(app, chat_group(id), edit, terms());
    store.commit_chat_group(write).await.unwrap().map(|outcome| outcome.joined)
}

/// Imports a chat group with this profile, whether or not it exists.
async fn revive(store: &dyn Store, app: AppId, id: &str, profile: ChatGroupProfile) {
    let group = ChatGroup { profile: Some(profile), ..ChatGroup::default() };
    edit_chat_group(store, app, id, ChatGroupEdit::Restore { group, members: members() }).await.unwrap();
}

async fn destroy(store: &dyn Store, app: AppId, id: &str) {
    edit_chat_group(store, app, id, ChatGroupEdit::Destroy).await.unwrap();
}

/// Reads a chat group with all its members.
async fn whole(store: &dyn Store, app: AppId, id: &str) -> Option<ChatGroupState> {
    store.chat_groups(app, vec![chat_group(id)], WantedMembers::All).await.unwrap().remove(0)
}

/// Returns which of these accounts exist in app 1.
async fn accounts(store: &dyn Store, users: &[&str]) -> Vec<bool> {
    let users = users.iter().map(|user| UserId::parse(user).unwrap()).collect();
    store.accounts(app(1), users).await.unwrap()
}

async fn an_owner_never_heard_of_is_empty(store: &dyn Store) {
    let loaded = store.load(&owner(1, "nobody")).await.unwrap();
    assert!(loaded.state.account.is_none());
    assert!(loaded.state.organizer.is_pristine());
    assert_eq!(loaded.revision, Revision(0));
    assert_eq!(accounts(store, &["nobody"]).await, [false]);
    assert_eq!(accounts(store, &[]).await, Vec::<bool>::new());
    assert_eq!(whole(store, app(1), "g").await, None);
    store.ready().await.unwrap();
}

async fn what_is_changed_is_read_back(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x"), in_group("g")]).await;
    let first = organizer(store, &owner).await;
    assert_eq!(first.groups()[0].name.as_str(), "first");
    assert_eq!(conversations(store, &owner).await, [user("x"), in_group("g")]);
    keep(store, &owner, "second", &[user("y")]).await;
    let second = organizer(store, &owner).await;
    assert_eq!(second.groups().len(), 2);
    assert_eq!(&second.records()[..2], first.records());
}

async fn an_edit_that_changes_nothing_writes_nothing(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x")]).await;
    let before = store.load(&owner).await.unwrap();
    keep(store, &owner, "first", &[user("x")]).await;
    let unknown = Edit::DeleteGroup { name: GroupName::parse("other").unwrap() };
    let refused = commit(store, &owner, unknown).await.unwrap();
    assert_eq!(refused, Err(Rejection::NoSuchGroup("other".to_owned())));
    let after = store.load(&owner).await.unwrap();
    assert_eq!((after.state, after.revision), (before.state, before.revision));
}

async fn an_edit_sees_what_the_directory_says(store: &dyn Store) {
    set_account(store, &owner(1, "x"), Account::default()).await;
    set_account(store, &owner(1, "a"), Account::default()).await;
    set_account(store, &owner(2, "y"), Account::default()).await;
    revive(store, app(1), "living", profile("l")).await;
    destroy(store, app(1), "gone").await;
    let named: Vec<_> =
        ["x", "y"].map(user).into_iter().chain(["living", "gone", "unknown"].map(in_group)).collect();
    let life = |incarnation, alive| Some(ChatGroupLife { incarnation, alive });
    let of_chat_group = |life| Presence::ChatGroup { life, is_member: true };
    let expected = [
        Presence::User { imported: true },
        Presence::User { imported: false },
        of_chat_group(life(0, true)),
        of_chat_group(life(1, false)),
        of_chat_group(None),
    ];
    assert_eq!(store.presences(app(1), named.clone()).await.unwrap(), expected);
    let strict = Terms { directory: DirectoryMode::Strict, ..terms() };
    let edit = grouping("first", &named);
    let outcome = store.commit(Write::new(owner(1, "a"), edit, strict)).await.unwrap().unwrap();
    let refused = |id: &str| UserId::parse(id).unwrap();
    let items = vec![
        Ok(()),
        Err(Rejection::UnknownPeer(refused("y"))),
        Ok(()),
        Err(Rejection::DisbandedChatGroup(chat_group("gone"))),
        Err(Rejection::UnknownChatGroup(chat_group("unknown"))),
    ];
    assert_eq!(outcome, Outcome::Grouped(Grouped { id: 1, items }));
}

async fn membership_is_looked_up_where_it_counts(store: &dyn Store) {
    revive(store, app(1), "group", profile("n")).await;
    let room = ChatGroupProfile { kind: ChatGroupKind::AvChatRoom, ..profile("n") };
    let without_list = ChatGroup { profile: Some(room), ..ChatGroup::default() };
    let without_list = ChatGroupEdit::Restore { group: without_list, members: Vec::new() };
    edit_chat_group(store, app(1), "room", without_list).await.unwrap();
    let named = [in_group("group"), in_group("room"), in_group("unknown")];
    let outsider = Err(Rejection::NotMember(chat_group("group")));
    for (who, first) in [("boss", Ok(())), ("bob", Ok(())), ("stranger", outsider)] {
        let terms = Terms { membership: MembershipMode::Require, ..terms() };
        let write = Write::new(owner(1, who), grouping("first", &named), terms);
        let outcome = store.commit(write).await.unwrap().unwrap();
        assert_eq!(outcome, Outcome::Grouped(Grouped { id: 1, items: vec![first, Ok(()), Ok(())] }), "{who}");
    }
}

async fn an_expected_revision_is_compared(store: &dyn Store) {
    let owner = owner(1, "a");
    let expecting = |revision, name: &str| Write {
        expected: Some(Revision(revision)),
        ..Write::new(owner.clone(), grouping(name, &[user("x")]), terms())
    };
    store.commit(expecting(0, "first")).await.unwrap().unwrap();
    let first = store.load(&owner).await.unwrap().revision;
    assert!(first > Revision(0));
    let refused = store.commit(expecting(0, "second")).await;
    assert!(matches!(refused, Err(StoreError::Conflict(found)) if found == first), "{refused:?}");
    assert_eq!(organizer(store, &owner).await.groups().len(), 1);
    store.commit(expecting(first.0, "second")).await.unwrap().unwrap();
    assert!(store.load(&owner).await.unwrap().revision > first);
    // Deleting the account does not lower the revision.
    let second = store.load(&owner).await.unwrap().revision;
    commit(store, &owner, Edit::DeleteAccount).await.unwrap().unwrap();
    assert!(store.load(&owner).await.unwrap().revision > second);
}

async fn accounts_come_and_go(store: &dyn Store) {
    let owner = owner(1, "a");
    let account = Account { nick: "N".to_owned(), face_url: "F".to_owned(), ..Account::default() };
    // Read the owner first, so that a cache contains an entry without an account.
    assert!(store.load(&owner).await.unwrap().state.account.is_none());
    set_account(store, &owner, account.clone()).await;
    assert_eq!(store.load(&owner).await.unwrap().state.account.as_deref(), Some(&account));
    assert_eq!(accounts(store, &["a", "b"]).await, [true, false]);
    keep(store, &owner, "first", &[user("x")]).await;
    let loaded = store.load(&owner).await.unwrap();
    assert_eq!(loaded.state.account.as_deref(), Some(&account), "an edit keeps the account");
    let deleted = commit(store, &owner, Edit::DeleteAccount).await.unwrap().unwrap();
    assert_eq!(deleted, Outcome::Account { existed: true, changed: true });
    let loaded = store.load(&owner).await.unwrap().state;
    assert!(loaded.account.is_none());
    assert!(loaded.organizer.groups().is_empty() && loaded.organizer.records().is_empty());
    assert_eq!(loaded.organizer.counters().last_group, 1, "counters outlive the data");
    assert_eq!(loaded.organizer.counters().version, 4, "a group and a record were created and removed");
    assert_eq!(accounts(store, &["a"]).await, [false]);
}

async fn owners_of_different_apps_are_apart(store: &dyn Store) {
    keep(store, &owner(1, "a"), "one", &[user("x")]).await;
    keep(store, &owner(2, "a"), "two", &[user("y")]).await;
    assert_eq!(conversations(store, &owner(1, "a")).await, [user("x")]);
    assert_eq!(conversations(store, &owner(2, "a")).await, [user("y")]);
}

async fn chat_groups_come_and_go(store: &dyn Store) {
    let found = async |app| {
        let ids = ["a", "b", "a"].map(chat_group).to_vec();
        store.chat_groups(app, ids, WantedMembers::All).await.unwrap()
    };
    revive(store, app(1), "a", profile("one")).await;
    let group = ChatGroup { profile: Some(profile("one")), listed: 2, ..ChatGroup::default() };
    let living = ChatGroupState { group, members: members() };
    assert_eq!(found(app(1)).await, [Some(living.clone()), None, Some(living)]);
    assert_eq!(found(app(2)).await, [None, None, None]);
    destroy(store, app(1), "a").await;
    let destroyed = whole(store, app(1), "a").await.unwrap();
    assert_eq!((destroyed.group.profile, destroyed.members), (None, Vec::new()));
    let again = ChatGroupProfile { owner: None, ..profile("two") };
    revive(store, app(1), "a", again.clone()).await;
    let found = whole(store, app(1), "a").await.unwrap();
    assert_eq!(
        found.group,
        ChatGroup { incarnation: 1, profile: Some(again), listed: 2, ..ChatGroup::default() }
    );
    let refused = edit_chat_group(store, app(1), "b", ChatGroupEdit::RemoveMembers(Vec::new())).await;
    assert_eq!(refused, Err(ChatGroupRejection::Unknown));
    assert_eq!(whole(store, app(1), "b").await, None, "a refused edit stores nothing");
}

async fn members_come_and_go(store: &dyn Store) {
    let users = |names: &[&str]| names.iter().map(|name| UserId::parse(name).unwrap()).collect::<Vec<_>>();
    let named = async || {
        let state = whole(store, app(1), "g").await.unwrap();
        let names = state.members.iter().map(|member| member.user.to_string()).collect::<Vec<_>>();
        assert_eq!(state.group.listed, names.len());
        names
    };
    let create = ChatGroupEdit::Create { profile: profile("n"), members: members() };
    edit_chat_group(store, app(1), "g", create.clone()).await.unwrap();
    assert_eq!(edit_chat_group(store, app(1), "g", create).await, Err(ChatGroupRejection::Own));
    let add =
        |names: &[&str]| ChatGroupEdit::AddMembers(names.iter().map(|name| member(name, false)).collect());
    let joined = edit_chat_group(store, app(1), "g", add(&["ann", "bob", "boss", "ann"])).await.unwrap();
    assert_eq!(joined, [Joining::Added, Joining::Present, Joining::Present, Joining::Present]);
    assert_eq!(named().await, ["zoe", "bob", "ann"], "in the order of joining");
    edit_chat_group(store, app(1), "g", ChatGroupEdit::RemoveMembers(users(&["bob", "nobody"])))
        .await
        .unwrap();
    let refused = edit_chat_group(store, app(1), "g", ChatGroupEdit::RemoveMembers(users(&["boss"]))).await;
    assert_eq!(refused, Err(ChatGroupRejection::OwnerStays(users(&["boss"]).remove(0))));
    edit_chat_group(store, app(1), "g", add(&["bob"])).await.unwrap();
    assert_eq!(named().await, ["zoe", "ann", "bob"], "joining again puts a member last");
    let wanted = WantedMembers::Named(users(&["bob", "zoe", "nobody"]));
    let found = store.chat_groups(app(1), vec![chat_group("g")], wanted).await.unwrap().remove(0).unwrap();
    assert_eq!(found.members, [member("zoe", true), member("bob", false)]);
    let many: Vec<String> = (0..80).map(|count| format!("many{count}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(edit_chat_group(store, app(1), "g", add(&many)).await, Err(ChatGroupRejection::Full(77)));
    assert_eq!(named().await.len(), 3, "if there is not enough room, nobody is added");
    destroy(store, app(1), "g").await;
    assert_eq!(named().await, [""; 0]);
}

async fn nothing_is_written_in_a_pause(store: &dyn Store) {
    let owner = owner(1, "a");
    let (begun, has_begun) = std::sync::mpsc::channel();
    store.between_writes(Box::new(move || begun.send(()).unwrap())).await.unwrap();
    has_begun.try_recv().expect("the work ran before the answer");
    let panics = store.between_writes(Box::new(|| panic!("this work always panics"))).await;
    assert!(matches!(panics, Err(StoreError::Rule)));
    keep(store, &owner, "first", &[user("x")]).await;
}

fn is_closed<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Closed))
}

async fn a_closed_store_refuses_everything(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x")]).await;
    let last = commit(store, &owner, grouping("last", &[user("y")]));
    let ((), last) = tokio::join!(store.close(), last);
    last.unwrap().unwrap();
    assert!(store.peek(&owner).is_none(), "the owner was in memory");
    let (ran, has_run) = std::sync::mpsc::channel();
    let named = WantedMembers::All;
    let query = ChatGroupQuery { from: 0, limit: 1, kind: None };
    let destroy = ChatGroupWrite::new(app(1), chat_group("g"), ChatGroupEdit::Destroy, terms());
    for (answer, what) in [
        (is_closed(&commit(store, &owner, grouping("late", &[user("z")])).await), "commit"),
        (is_closed(&store.load(&owner).await), "load"),
        (is_closed(&store.accounts(app(1), vec![owner.user.clone()]).await), "accounts"),
        (is_closed(&store.presences(app(1), vec![user("a")]).await), "presences"),
        (is_closed(&store.chat_groups(app(1), vec![chat_group("g")], named).await), "chat_groups"),
        (is_closed(&store.commit_chat_group(destroy).await), "commit_chat_group"),
        (is_closed(&store.list_chat_groups(app(1), query).await), "list_chat_groups"),
        (is_closed(&store.apps().await), "apps"),
        (is_closed(&store.list_owners(app(1), None).await), "list_owners"),
        (is_closed(&store.list_all_chat_groups(app(1), None).await), "list_all_chat_groups"),
        (is_closed(&store.note_filled().await), "note_filled"),
        (is_closed(&store.ready().await), "ready"),
        (is_closed(&store.reset(Scope::All).await), "reset"),
        (is_closed(&store.between_writes(Box::new(move || ran.send(()).unwrap())).await), "between_writes"),
    ] {
        assert!(answer, "{what}");
    }
    assert!(has_run.try_recv().is_err(), "work for a pause of a closed store is dropped");
    store.close().await;
}

async fn a_disbanding_removes_records_immediately_and_permanently(store: &dyn Store) {
    let (a, b) = (owner(1, "a"), owner(1, "b"));
    for owner in [&a, &b] {
        keep(store, owner, "first", &[in_group("g"), user("x"), in_group("h")]).await;
    }
    let before = organizer(store, &a).await;
    destroy(store, app(1), "g").await;
    assert_eq!(conversations(store, &a).await, [user("x"), in_group("h")]);
    assert_eq!(
        organizer(store, &a).await.counters(),
        before.counters(),
        "disbanding a chat group writes no owner"
    );
    revive(store, app(1), "g", profile("again")).await;
    assert_eq!(conversations(store, &a).await, [user("x"), in_group("h")], "old records stay absent");
    // The next write removes the dead record, and the owner can create one about the new chat group.
    keep(store, &a, "second", &[in_group("g")]).await;
    assert_eq!(conversations(store, &a).await, [user("x"), in_group("h"), in_group("g")]);
    let after = organizer(store, &a).await;
    assert_eq!(after.records()[2].groups, [2], "the new record is only in the new group");
    // The removal, the group and the record have one number each.
    assert_eq!(after.counters().version, before.counters().version + 3);
    assert_eq!(conversations(store, &b).await, [user("x"), in_group("h")]);
}

async fn an_event_does_not_reach_other_owners_or_apps(store: &dyn Store) {
    let (near, far) = (owner(1, "a"), owner(2, "a"));
    for owner in [&near, &far] {
        keep(store, owner, "first", &[in_group("g"), in_group("h")]).await;
    }
    for count in 0..5 {
        destroy(store, app(1), &format!("other{count}")).await;
        assert_eq!(conversations(store, &near).await.len(), 2);
    }
    destroy(store, app(1), "g").await;
    assert_eq!(conversations(store, &near).await, [in_group("h")]);
    assert_eq!(conversations(store, &far).await, [in_group("g"), in_group("h")]);
}

async fn concurrent_changes_of_one_owner_are_all_kept(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x")]).await;
    let pending: Vec<_> = (0..300)
        .map(|count| {
            let changes = vec![(MemberChange::Add, user(&format!("peer{count}")))];
            commit(store, &owner, Edit::ChangeMembers { name: GroupName::parse("first").unwrap(), changes })
        })
        .collect();
    for change in pending {
        change.await.unwrap().unwrap();
    }
    let organizer = organizer(store, &owner).await;
    assert_eq!(organizer.records().len(), 301);
    assert_eq!(organizer.counters().version, 302, "each change used one number");
}

async fn changes_are_made_even_if_nobody_waits(store: &dyn Store) {
    let owner = owner(1, "a");
    drop(commit(store, &owner, grouping("first", &[user("x")])));
    keep(store, &owner, "first", &[user("y")]).await;
    assert_eq!(conversations(store, &owner).await, [user("x"), user("y")]);
}

async fn a_panic_in_a_rule_is_its_own(store: &dyn Store) {
    let owner = owner(1, "a");
    let bad = commit(store, &owner, Edit::Defect);
    let good = commit(store, &owner, grouping("first", &[user("x")]));
    assert!(matches!(bad.await, Err(StoreError::Rule)));
    good.await.unwrap().unwrap();
    assert_eq!(conversations(store, &owner).await, [user("x")]);
}

async fn living_chat_groups_are_listed_page_by_page(store: &dyn Store) {
    for count in 0..7 {
        revive(store, app(1), &format!("g{count}"), profile("n")).await;
        revive(store, app(2), &format!("other{count}"), profile("n")).await;
    }
    destroy(store, app(1), "g3").await;
    revive(store, app(1), "g5", ChatGroupProfile { kind: ChatGroupKind::Work, ..profile("n") }).await;
    let page = |kind, from| store.list_chat_groups(app(1), ChatGroupQuery { kind, from, limit: 2 });
    let (mut from, mut seen) = (0, Vec::new());
    loop {
        let page = page(None, from).await.unwrap();
        assert_eq!(page.total, 6);
        assert!(page.next.is_none_or(|next| next < 1 << 53), "it fits into a floating-point number");
        seen.extend(page.ids.iter().map(|id| id.as_str().to_owned()));
        // Changing a chat group between two pages must not hide or repeat others.
        revive(store, app(1), &seen[0], profile("changed")).await;
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["g0", "g1", "g2", "g4", "g5", "g6"]);
    let only = page(Some(ChatGroupKind::Work), 0).await.unwrap();
    assert_eq!((only.ids, only.next, only.total), (vec![chat_group("g5")], None, 1));
}

async fn a_disbanding_counts_from_its_answer_on(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[in_group("g")]).await;
    // With a limit of one conversation in groups, the edit is refused as long as the other record counts.
    let limits = Limits { grouped: 1, ..Limits::OPEN };
    let add = || {
        let terms = Terms { limits, ..terms() };
        store.commit(Write::new(owner.clone(), grouping("first", &[user("x")]), terms))
    };
    let refused = Grouped { id: 1, items: vec![Err(Rejection::TooManyGrouped { limit: 1 })] };
    assert_eq!(add().await.unwrap().unwrap(), Outcome::Grouped(refused));
    destroy(store, app(1), "g").await;
    assert_eq!(add().await.unwrap().unwrap(), Outcome::Grouped(Grouped { id: 1, items: vec![Ok(())] }));
    assert_eq!(conversations(store, &owner).await, [user("x")]);
}

async fn big_owners_are_read_back(store: &dyn Store) {
    let owner = owner(1, "a");
    let peers: Vec<_> = (0..1_000).map(|count| user(&format!("peer{count}"))).collect();
    for (index, some) in peers.chunks(100).enumerate() {
        keep(store, &owner, "first", some).await;
        // Changing the first records again and again leaves fewer and fewer records in the first chunks.
        keep(store, &owner, &format!("more{index}"), &peers[..100]).await;
    }
    let organizer = organizer(store, &owner).await;
    assert_eq!(organizer.records().len(), 1_000);
    let early = organizer.records().iter().filter(|record| record.groups.len() == 11).count();
    assert_eq!(early, 100);
}

/// Lists all owners of an app. The result is sorted, because lists may be in any order.
async fn all_owners(store: &dyn Store, app: AppId) -> Vec<(String, bool, usize)> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let part = store.list_owners(app, from).await.unwrap();
        all.extend(part.items.into_iter().map(|(user, state)| {
            (user.to_string(), state.account.is_some(), state.organizer.records().len())
        }));
        from = part.next;
        if from.is_none() {
            all.sort();
            return all;
        }
    }
}

async fn all_groups(store: &dyn Store, app: AppId) -> Vec<(String, u32, usize)> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let part = store.list_all_chat_groups(app, from).await.unwrap();
        let line = |(id, state): (ChatGroupId, ChatGroupState)| {
            (id.to_string(), state.group.incarnation, state.members.len())
        };
        all.extend(part.items.into_iter().map(line));
        from = part.next;
        if from.is_none() {
            all.sort();
            return all;
        }
    }
}

async fn everything_is_listed_for_exports(store: &dyn Store) {
    assert_eq!(store.apps().await.unwrap(), []);
    assert_eq!(all_owners(store, app(1)).await, []);
    destroy(store, app(3), "only").await;
    for count in (0..300).rev() {
        set_account(store, &owner(1, &format!("u{count:03}")), Account::default()).await;
    }
    set_account(store, &owner(2, "other"), Account::default()).await;
    keep(store, &owner(1, "without-account"), "g", &[user("x")]).await;
    keep(store, &owner(1, "u005"), "g", &[user("x"), in_group("dead"), in_group("alive")]).await;
    keep(store, &owner(1, "U"), "g", &[user("x")]).await;
    for group in ["zz", "dead", "alive"] {
        revive(store, app(1), group, profile("n")).await;
    }
    destroy(store, app(1), "dead").await;
    assert_eq!(store.apps().await.unwrap(), [app(1), app(2), app(3)]);
    let mut expected = vec![("U".to_owned(), false, 1)];
    expected.extend((0..300).map(|count| (format!("u{count:03}"), true, 0)));
    expected[6].2 = 2; // The record about the destroyed chat group is absent.
    expected.push(("without-account".to_owned(), false, 1));
    assert_eq!(all_owners(store, app(1)).await, expected);
    let group = |id: &str, incarnation, members| (id.to_owned(), incarnation, members);
    assert_eq!(
        all_groups(store, app(1)).await,
        [group("alive", 0, 2), group("dead", 1, 0), group("zz", 0, 2)]
    );
    assert_eq!(all_groups(store, app(3)).await, [group("only", 1, 0)]);
}

async fn what_is_reset_was_never_there(store: &dyn Store) {
    let owners = [owner(1, "a"), owner(1, "b"), owner(2, "a")];
    let fill = async || {
        for owner in &owners {
            set_account(store, owner, Account::default()).await;
            revive(store, owner.app, "g", profile("n")).await;
            keep(store, owner, "group", &[user("x"), in_group("g")]).await;
            keep(store, owner, "group", &[user("y")]).await;
        }
    };
    let state = async |owner: &Owner| {
        let state = store.load(owner).await.unwrap().state;
        (state.account.is_some(), state.organizer.records().len(), state.organizer.counters().version)
    };
    let (whole, empty) = ((true, 3, 4), (false, 0, 0));
    fill().await;
    for owner in &owners {
        assert_eq!(state(owner).await, whole);
    }
    store.reset(Scope::Owner(owners[0].clone())).await.unwrap();
    assert_eq!(
        [state(&owners[0]).await, state(&owners[1]).await, state(&owners[2]).await],
        [empty, whole, whole]
    );
    store.reset(Scope::App(app(1))).await.unwrap();
    assert_eq!([state(&owners[1]).await, state(&owners[2]).await], [empty, whole]);
    assert_eq!(super::contract::whole(store, app(1), "g").await, None);
    assert!(super::contract::whole(store, app(2), "g").await.is_some());
    fill().await;
    store.reset(Scope::All).await.unwrap();
    commit(store, &owners[1], grouping("first", &[user("x")])).await.unwrap().unwrap();
    assert_eq!([state(&owners[0]).await, state(&owners[2]).await], [empty, empty]);
    assert_eq!(state(&owners[1]).await, (false, 1, 2));
    fill().await;
    assert_eq!([state(&owners[0]).await, state(&owners[2]).await], [whole, whole]);
}
