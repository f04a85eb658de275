//! Tests databases of format 2, with and without damage, and rows that were changed by another program.

use std::path::Path;

use super::*;
use crate::{
    domain::{
        ChatGroupEdit, Conversation, DirectoryMode, Edit, GroupName, Grouped, Limits, Member, MembershipMode,
        Outcome, Owner, ProfileTag, ProfileValue, Rejection, Terms, UserId, WantedMembers,
    },
    store::sqlite::{
        SqliteStore,
        first_formats::{FORMAT_1, FORMAT_2},
        schema::APPLICATION,
        sums,
    },
    store::{ChatGroupWrite, Damaged, Directory, Listing, Loaded, Maintenance, Owners, StoreConfig, Write},
    testing::block_on,
};

/// A document of format 2 of an organizer with the groups 1 "a" and 200 "б", and one record about user1.
pub(super) const DOCUMENT: &str = "020201c80181e2cfaa0680e2cfaa060201010161c8010102d0b10001060575736572310281e2cfaa0600ffffffffffffffff7f04d0b6d0b6";
/// The encoded members: bob, who is an administrator, and ann.
const MEMBERS: &str = "010203626f620105 03616e6e0006";

pub(super) fn app() -> AppId {
    AppId::new(7).unwrap()
}

fn owner() -> Owner {
    Owner { app: app(), user: UserId::parse("ann").unwrap() }
}

fn chat_group() -> ChatGroupId {
    ChatGroupId::parse("group").unwrap()
}

/// Creates a store of format 2 with one row in each table.
fn format_2(directory: &Path) -> Connection {
    let old = Connection::open(directory.join("confold.db")).unwrap();
    old.execute_batch(FORMAT_1).unwrap();
    old.execute_batch(FORMAT_2).unwrap();
    let members = MEMBERS.replace(' ', "");
    old.execute_batch(&format!(
        "INSERT INTO store (incarnation, filled) VALUES ('0123456789abcdef', 1);
         INSERT INTO account VALUES (7, 'ann', 'nick', '');
         INSERT INTO organizer VALUES (7, 'ann', 0, x'{DOCUMENT}');
         INSERT INTO chat_group (app_id, group_id, incarnation, kind, name, owner, introduction, notification, face_url,
             max_members, join_option, created_at, members)
             VALUES (7, 'group', 1, 0, 'name', 'boss', '', '', '', 9, 0, 5, x'{members}');
         INSERT INTO app VALUES (7, 1);
         INSERT INTO app_event VALUES (7, 1, 1, 'group', 1, 4000000000);
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 2; PRAGMA journal_mode = WAL;"
    ))
    .unwrap();
    old
}

pub(super) fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(&StoreConfig::new(directory)).unwrap()
}

pub(super) fn close(store: &SqliteStore) {
    block_on(store.close());
}

async fn members(store: &SqliteStore) -> Vec<(String, bool, u64)> {
    let found = store.chat_groups(app(), vec![chat_group()], WantedMembers::All).await.unwrap();
    let state = found.into_iter().next().unwrap().unwrap();
    assert_eq!(state.group.listed, state.members.len());
    state
        .members
        .into_iter()
        .map(|Member { user, admin, joined_at, .. }| (user.to_string(), admin, joined_at))
        .collect()
}

fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 1_800_000_000) }
}

async fn add_member(store: &SqliteStore, user: &str) {
    let member = Member::new(UserId::parse(user).unwrap(), false, 8);
    let edit = ChatGroupEdit::AddMembers(vec![member]);
    store.commit_chat_group(ChatGroupWrite::new(app(), chat_group(), edit, terms())).await.unwrap().unwrap();
}

async fn change(store: &SqliteStore) {
    let edit =
        Edit::RenameGroup { name: GroupName::parse("a").unwrap(), new: GroupName::parse("new").unwrap() };
    store.commit(Write::new(owner(), edit, terms())).await.unwrap().unwrap();
}

/// Returns how many rows of a table have no checksum, and how many have one.
fn sums(directory: &Path, table: &str) -> (u32, u32) {
    let db = Connection::open(directory.join("confold.db")).unwrap();
    let sql = format!("SELECT count(*) - count(sum), count(sum) FROM {table}");
    db.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[test]
fn a_store_of_format_2_keeps_everything_and_its_rows_are_rewritten() {
    let directory = tempfile::tempdir().unwrap();
    drop(format_2(directory.path()));
    let store = open(directory.path());
    let Loaded { state, revision } = block_on(store.load(&owner())).unwrap();
    assert_eq!(state.account.unwrap().nick, "nick");
    let names: Vec<&str> = state.organizer.groups().iter().map(|group| group.name.as_str()).collect();
    assert_eq!((names, state.organizer.records().len(), revision.0), (vec!["a", "б"], 1, 0));
    let old = [("bob".to_owned(), true, 5), ("ann".to_owned(), false, 6)];
    assert_eq!(block_on(members(&store)), old);
    block_on(async {
        add_member(&store, "zoe").await;
        change(&store).await;
        assert_eq!(store.load(&owner()).await.unwrap().revision.0, 1);
    });
    close(&store);
    for table in ["organizer", "account", "chat_group", "app_event"] {
        assert_eq!(sums(directory.path(), table), (0, 1), "{table}");
    }
    assert_eq!(sums(directory.path(), "chat_group_member"), (0, 3));
    let store = open(directory.path());
    let [bob, ann] = old;
    assert_eq!(
        block_on(members(&store)),
        [bob, ann, ("zoe".to_owned(), false, 8)],
        "in the order of joining"
    );
    close(&store);
}

#[test]
fn what_cannot_be_rewritten_can_still_be_read_and_is_rewritten_when_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    drop(format_2(directory.path()));
    // Restore the old form of the rows, as if they had been on damaged pages during the upgrade.
    close(&open(directory.path()));
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    let members_of = MEMBERS.replace(' ', "");
    db.execute_batch(&format!(
        "UPDATE organizer SET sum = NULL; UPDATE account SET sum = NULL; DELETE FROM chat_group_member;
         UPDATE chat_group SET sum = NULL, member_count = 0, places = 0, members = x'{members_of}';"
    ))
    .unwrap();
    drop(db);
    let store = open(directory.path());
    block_on(async {
        assert_eq!(store.load(&owner()).await.unwrap().state.organizer.groups().len(), 2);
        assert_eq!(members(&store).await.len(), 2);
        let named = WantedMembers::Named(vec![UserId::parse("ann").unwrap()]);
        let found = store.chat_groups(app(), vec![chat_group()], named).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().members.len(), 1);
        add_member(&store, "zoe").await;
        assert_eq!(members(&store).await.len(), 3);
        change(&store).await;
    });
    close(&store);
    assert_eq!(sums(directory.path(), "chat_group"), (0, 1));
    assert_eq!(sums(directory.path(), "organizer"), (0, 1));
    assert_eq!(sums(directory.path(), "chat_group_member"), (0, 3));
}

/// Changes a closed store with an SQL statement, and opens it again.
fn tampered(sql: &str) -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    drop(format_2(directory.path()));
    let store = open(directory.path());
    block_on(add_member(&store, "zoe"));
    close(&store);
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
    drop(db);
    let store = open(directory.path());
    (directory, store)
}

#[test]
fn a_row_that_changed_behind_the_store_is_not_answered() {
    let is_damaged = |error: StoreError, sql: &str| {
        assert!(matches!(error, StoreError::Damaged { .. }), "{sql}: {error}");
        assert!(error.to_string().contains("does not match its checksum"), "{sql}: {error}");
    };
    for sql in [
        "UPDATE organizer SET doc = replace(doc, x'61', x'62')",
        "UPDATE organizer SET revision = 9",
        "UPDATE account SET nick = 'Nick'",
        "UPDATE account SET user_id = 'ann', face_url = 'x'",
    ] {
        let (_directory, store) = tampered(sql);
        is_damaged(block_on(store.load(&owner())).unwrap_err(), sql);
        close(&store);
    }
    // Move a whole row to another owner.
    let (_directory, store) = tampered("UPDATE organizer SET user_id = 'bob'");
    let bob = Owner { app: app(), user: UserId::parse("bob").unwrap() };
    is_damaged(block_on(store.load(&bob)).unwrap_err(), "another owner's row");
    close(&store);
    for sql in [
        "UPDATE chat_group SET name = 'other'",
        "UPDATE chat_group SET incarnation = 2",
        "UPDATE chat_group SET member_count = 2",
        "UPDATE chat_group SET mute_all = 1",
        "UPDATE chat_group SET began = 8",
        "UPDATE chat_group SET joined = 9",
        "UPDATE chat_group_member SET card = 'x' WHERE user_id = 'zoe'",
        "UPDATE chat_group_member SET ms = 5 WHERE user_id = 'zoe'",
        "UPDATE chat_group_member SET admin = 1 WHERE user_id = 'zoe'",
        "UPDATE chat_group_member SET user_id = 'eve' WHERE user_id = 'zoe'",
        "UPDATE chat_group_member SET joined_at = 1 WHERE user_id = 'zoe'",
    ] {
        let (_directory, store) = tampered(sql);
        let found = block_on(store.chat_groups(app(), vec![chat_group()], WantedMembers::All));
        is_damaged(found.unwrap_err(), sql);
        let listed = block_on(store.list_all_chat_groups(app(), None));
        is_damaged(listed.unwrap_err(), sql);
        close(&store);
    }
    // The rows that an edit looks up are checked as well. Only the item with the damaged row is refused.
    let (_directory, store) = tampered("UPDATE chat_group SET incarnation = 2");
    let named = vec![Conversation::ChatGroup(chat_group())];
    let presences = block_on(store.presences(app(), named)).unwrap();
    assert_eq!(presences, [crate::domain::Presence::Unreadable]);
    close(&store);
}

#[test]
fn a_membership_that_cannot_be_read_refuses_one_item_of_one_user() {
    let (_directory, store) = tampered("UPDATE chat_group_member SET joined_at = 1 WHERE user_id = 'ann'");
    let add = |user: &str| {
        let owner = Owner { app: app(), user: UserId::parse(user).unwrap() };
        let peer = Conversation::User(UserId::parse("peer").unwrap());
        let conversations = vec![Conversation::ChatGroup(chat_group()), peer];
        let edit = Edit::CreateGroup { name: GroupName::parse("new").unwrap(), conversations };
        let terms = Terms { membership: MembershipMode::Require, ..terms() };
        match block_on(store.commit(Write::new(owner, edit, terms))).unwrap().unwrap() {
            Outcome::Grouped(Grouped { items, .. }) => items,
            other => panic!("{other:?}"),
        }
    };
    let refused = Err(Rejection::UnreadablePeer(Conversation::ChatGroup(chat_group())));
    assert_eq!(add("ann"), [refused, Ok(())]);
    assert_eq!(add("bob"), [Ok(()), Ok(())], "the chat group is readable for others");
    assert_eq!(block_on(store.ready()).unwrap().damaged, 1);
    close(&store);
}

#[test]
fn a_missing_member_is_noticed() {
    let (_directory, store) = tampered("DELETE FROM chat_group_member WHERE user_id = 'bob'");
    let found = block_on(store.chat_groups(app(), vec![chat_group()], WantedMembers::All)).unwrap_err();
    let is_chat_group = matches!(&found, StoreError::Damaged { what: Damaged::ChatGroup(..), .. });
    assert!(
        is_chat_group && found.to_string().contains("has 3 members, and 2 of them are stored"),
        "{found}"
    );
    close(&store);
}

fn destroy(store: &SqliteStore) -> Result<(), StoreError> {
    let write = ChatGroupWrite::new(app(), chat_group(), ChatGroupEdit::Destroy, terms());
    block_on(store.commit_chat_group(write)).map(|decided| drop(decided.unwrap()))
}

#[test]
fn a_count_of_disbandings_that_changed_behind_the_store_is_not_used() {
    let (directory, store) = tampered("UPDATE app SET disbandings = 100000000");
    let refused = destroy(&store).unwrap_err();
    let is_directory = matches!(&refused, StoreError::Damaged { what: Damaged::Directory(_), .. });
    assert!(is_directory && refused.to_string().contains("table app does not match"), "{refused}");
    // It is not used for removing events either.
    block_on(change(&store));
    close(&store);
    let events = "SELECT count(*) FROM app_event";
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    assert_eq!(db.query_row(events, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

/// If the number of disbandings is wrong, the events do not show whether a chat group without one was destroyed.
#[test]
fn a_damaged_count_of_disbandings_does_not_prove_that_a_chat_group_exists() {
    let directory = tempfile::tempdir().unwrap();
    drop(format_2(directory.path()));
    let store = open(directory.path());
    let named = vec![Conversation::ChatGroup(chat_group())];
    let edit = Edit::CreateGroup { name: GroupName::parse("new").unwrap(), conversations: named };
    block_on(store.commit(Write::new(owner(), edit, terms()))).unwrap().unwrap();
    close(&store);
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    db.execute_batch(
        "UPDATE chat_group SET incarnation = 2; DELETE FROM app_event; UPDATE app SET disbandings = 0",
    )
    .unwrap();
    drop(db);
    let store = open(directory.path());
    let refused = block_on(store.load(&owner())).unwrap_err();
    assert!(refused.to_string().contains("table app does not match"), "{refused}");
    close(&store);
}

#[test]
fn a_database_of_format_3_without_sums_of_apps_gets_them() {
    let directory = tempfile::tempdir().unwrap();
    drop(format_2(directory.path()));
    close(&open(directory.path()));
    assert_eq!(sums(directory.path(), "app"), (0, 1), "an upgrade from format 2");
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    db.execute_batch(BACK_TO_FORMAT_5).unwrap();
    db.execute_batch(
        "ALTER TABLE app DROP COLUMN sum; DROP TABLE session; DROP TABLE chat_group_times; DROP TABLE event; DROP TABLE operation;
         ALTER TABLE organizer DROP COLUMN event; ALTER TABLE organizer_aside DROP COLUMN event;
         ALTER TABLE account DROP COLUMN event; ALTER TABLE account_aside DROP COLUMN event;
         ALTER TABLE app DROP COLUMN epoch; ALTER TABLE store DROP COLUMN buckets;
         ALTER TABLE store DROP COLUMN event_base; DROP TABLE webhook; PRAGMA user_version = 3",
    )
    .unwrap();
    drop(db);
    let store = open(directory.path());
    destroy(&store).unwrap();
    close(&store);
    assert_eq!(sums(directory.path(), "app"), (0, 1));
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    let (number, rewritten): (i64, bool) = db
        .query_row("SELECT disbandings, rewritten FROM app, store", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((number, rewritten), (2, true));
}

/// Creates a store of format 5 with one account.
fn format_5(directory: &Path) {
    let old = Connection::open(directory.join("confold.db")).unwrap();
    sums::install(&old).unwrap();
    for format in [FORMAT_1, FORMAT_2, FORMAT_3, FORMAT_4, EVENTS, OPERATIONS, FORMAT_5] {
        old.execute_batch(format).unwrap();
    }
    old.execute_batch(&format!(
        "INSERT INTO store (incarnation, filled, rewritten) VALUES ('0123456789abcdef', 1, 1);
         INSERT INTO account (app_id, user_id, nick, face_url, event, sum)
             VALUES (7, 'ann', 'nick', 'face', 0, row_sum('account', 7, 'ann', 'nick', 'face', 0));
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 5; PRAGMA journal_mode = WAL;"
    ))
    .unwrap();
}

#[test]
fn an_account_of_format_5_gets_a_profile_and_a_changed_profile_is_not_answered() {
    let directory = tempfile::tempdir().unwrap();
    format_5(directory.path());
    let store = open(directory.path());
    let account = || block_on(store.load(&owner())).unwrap().state.account.unwrap();
    assert_eq!((account().nick.as_str(), account().face_url.as_str()), ("nick", "face"));
    assert!(account().profile.fields().is_empty());
    let level = vec![(ProfileTag::Level, Some(ProfileValue::Number(3)))];
    block_on(store.commit(Write::new(owner(), Edit::SetProfile(level), terms()))).unwrap().unwrap();
    close(&store);
    let store = open(directory.path());
    let account = block_on(store.load(&owner())).unwrap().state.account.unwrap();
    assert_eq!(account.value(&ProfileTag::Level), Some(ProfileValue::Number(3)));
    assert_eq!(account.nick, "nick");
    close(&store);
    for change in ["profile = NULL", "profile = x'00'"] {
        let db = Connection::open(directory.path().join("confold.db")).unwrap();
        assert_eq!(db.execute(&format!("UPDATE account SET {change}"), []).unwrap(), 1);
        drop(db);
        let store = open(directory.path());
        let refused = block_on(store.load(&owner())).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { what: Damaged::Owner(_), .. }), "{refused}");
        close(&store);
    }
}
