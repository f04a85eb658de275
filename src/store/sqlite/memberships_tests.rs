//! Tests what memberships cost, what becomes of dead rows, and what damage and older formats mean for them.

use std::path::Path;

use super::*;
use crate::{
    domain::{
        ChatGroupEdit, ChatGroupKind, ChatGroupProfile, DirectoryMode, Edit, JoinOption, Limits, Member,
        ProfileDetails, Terms,
    },
    store::{
        ChatGroupWrite, Directory, Maintenance, Owners, StoreConfig, Write,
        sqlite::{SqliteStore, upgrade::BACK_TO_FORMAT_5},
    },
    testing::block_on,
};

fn app() -> AppId {
    AppId::new(7).unwrap()
}

fn owner(user: &str) -> Owner {
    Owner { app: app(), user: UserId::parse(user).unwrap() }
}

fn member(user: &str) -> Member {
    Member::new(UserId::parse(user).unwrap(), false, 8)
}

fn profile() -> ChatGroupProfile {
    ChatGroupProfile {
        kind: ChatGroupKind::Public,
        name: "n".to_owned(),
        owner: Some(UserId::parse("boss").unwrap()),
        introduction: String::new(),
        notification: String::new(),
        face_url: String::new(),
        max_members: 6_000,
        join_option: JoinOption::FreeAccess,
        created_at: 1,
        details: ProfileDetails::default(),
    }
}

fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 1_800_000_000) }
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(&StoreConfig::new(directory)).unwrap()
}

fn close(store: SqliteStore) {
    block_on(store.close());
    drop(store);
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("confold.db")).unwrap()
}

async fn edit(store: &SqliteStore, id: &str, edit: ChatGroupEdit) -> Result<(), StoreError> {
    let write = ChatGroupWrite::new(app(), ChatGroupId::parse(id).unwrap(), edit, terms());
    store.commit_chat_group(write).await.map(|outcome| drop(outcome.unwrap()))
}

async fn create(store: &SqliteStore, id: &str, members: &[&str]) {
    let members = members.iter().map(|user| member(user)).collect();
    edit(store, id, ChatGroupEdit::Create { profile: profile(), members }).await.unwrap();
}

/// Returns the chat groups of a user.
async fn groups(store: &SqliteStore, user: &str) -> Result<Vec<String>, StoreError> {
    let found = store.memberships(&owner(user)).await?;
    Ok(found.into_iter().map(|membership| membership.id.to_string()).collect())
}

async fn import_account(store: &SqliteStore, user: &str, nick: &str) {
    let edit = Edit::ImportAccount { nick: Some(nick.to_owned()), face_url: None };
    store.commit(Write::new(owner(user), edit, terms())).await.unwrap().unwrap();
}

/// Returns the number of rows, including dead ones, of a closed store.
fn rows(directory: &Path) -> i64 {
    database(directory).query_row("SELECT count(*) FROM membership", [], |row| row.get(0)).unwrap()
}

#[test]
fn dead_rows_are_deleted_by_the_next_write_of_the_user_after_a_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    block_on(async {
        for id in ["a", "b", "c"] {
            create(&store, id, &["ann", "bob"]).await;
        }
        edit(&store, "a", ChatGroupEdit::Destroy).await.unwrap();
        edit(&store, "b", ChatGroupEdit::RemoveMembers(vec![owner("ann").user])).await.unwrap();
        assert_eq!(groups(&store, "ann").await.unwrap(), ["c"]);
        import_account(&store, "zoe", "other").await;
    });
    close(store);
    assert_eq!(rows(directory.path()), 9, "reading and the writes of others delete nothing");
    let store = open(directory.path());
    block_on(async {
        assert_eq!(groups(&store, "ann").await.unwrap(), ["c"]);
        import_account(&store, "ann", "nick").await;
        assert_eq!(groups(&store, "ann").await.unwrap(), ["c"]);
        assert_eq!(groups(&store, "bob").await.unwrap(), ["b", "c"]);
    });
    close(store);
    assert_eq!(rows(directory.path()), 7, "two rows of one user are gone");
}

#[test]
fn a_changed_row_is_noticed_and_concerns_one_user() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    block_on(create(&store, "a", &["ann", "bob"]));
    close(store);
    let sql = "UPDATE membership SET group_id = 'x' WHERE user_id = 'ann'";
    assert_eq!(database(directory.path()).execute(sql, []).unwrap(), 1);
    let store = open(directory.path());
    block_on(async {
        let refused = groups(&store, "ann").await.unwrap_err();
        let is_named = matches!(&refused, StoreError::Damaged { what: Damaged::Memberships(of), .. } if *of == owner("ann"));
        assert!(
            is_named && refused.to_string().contains("memberships of user \"ann\" of app 7"),
            "{refused}"
        );
        assert_eq!(groups(&store, "bob").await.unwrap(), ["a"]);
        assert_eq!(store.ready().await.unwrap().damaged, 1);
    });
    close(store);
}

#[test]
fn a_store_of_format_5_gets_the_rows_of_its_members() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    block_on(async {
        create(&store, "a", &["ann", "bob"]).await;
        create(&store, "b", &["bob"]).await;
        create(&store, "gone", &["ann"]).await;
        edit(&store, "gone", ChatGroupEdit::Destroy).await.unwrap();
    });
    close(store);
    database(directory.path()).execute_batch(BACK_TO_FORMAT_5).unwrap();
    let store = open(directory.path());
    block_on(async {
        assert_eq!(groups(&store, "ann").await.unwrap(), ["a"]);
        assert_eq!(groups(&store, "bob").await.unwrap(), ["a", "b"]);
        assert_eq!(groups(&store, "boss").await.unwrap(), ["a", "b"]);
    });
    close(store);
    assert_eq!(rows(directory.path()), 5, "nobody is in a chat group that was disbanded");
}

#[test]
fn an_upgrade_that_is_not_finished_hides_no_chat_group() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    block_on(async {
        create(&store, "b", &["bob"]).await;
        create(&store, "a", &["ann", "bob"]).await;
    });
    close(store);
    let db = database(directory.path());
    crate::store::sqlite::sums::install(&db).unwrap();
    rusqlite::vtab::array::load_module(&db).unwrap();
    // The members of one more group still have the form of format 2.
    db.execute_batch(
        "DELETE FROM membership WHERE group_id = 'b' OR user_id = 'boss'; UPDATE store SET rewritten = 0;
         INSERT INTO chat_group (app_id, group_id, incarnation, kind, name, owner, introduction, notification, face_url,
             max_members, join_option, created_at, members)
             VALUES (7, 'packed', 0, 0, 'n', 'zoe', '', '', '', 9, 0, 5, x'010103616e6e0006');",
    )
    .unwrap();
    for (user, expected) in [
        ("ann", &["a", "packed"][..]),
        ("bob", &["a", "b"]),
        ("boss", &["a", "b"]),
        ("zoe", &["packed"]),
        ("eve", &[]),
    ] {
        let found = of(&db, &owner(user), &DeadRows::default()).unwrap();
        let ids: Vec<&str> = found.iter().map(|membership| membership.id.as_str()).collect();
        assert_eq!(ids, expected, "{user}");
    }
}

#[test]
fn adding_a_member_to_a_large_chat_group_writes_one_row_on_each_side() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let many: Vec<String> = (0..5_998).map(|count| format!("{count:032}")).collect();
    block_on(create(&store, "large", &many.iter().map(String::as_str).collect::<Vec<_>>()));
    close(store);
    // Count what the edit changes, with triggers that record the old and the new rows.
    let db = database(directory.path());
    crate::store::sqlite::sums::install(&db).unwrap();
    let size = "length(quote(new.app_id)) + length(new.group_id)";
    db.execute_batch(&format!(
        "CREATE TABLE written (what, bytes);
         CREATE TRIGGER t1 AFTER INSERT ON chat_group_member BEGIN
            INSERT INTO written VALUES ('member', {size} + length(new.user_id) + 8 + 1 + 8 + 8); END;
         CREATE TRIGGER t2 AFTER INSERT ON membership BEGIN
            INSERT INTO written VALUES ('membership', {size} + length(new.user_id) + 8 + 8 + 8); END;
         CREATE TRIGGER t3 AFTER UPDATE ON chat_group BEGIN
            INSERT INTO written VALUES ('count', {size} + length(new.name) + length(new.owner) + 13 * 8); END;"
    ))
    .unwrap();
    drop(db);
    let store = open(directory.path());
    let joined = ChatGroupEdit::AddMembers(vec![member(&"z".repeat(32))]);
    block_on(edit(&store, "large", joined)).unwrap();
    close(store);
    let db = database(directory.path());
    let mut statement = db.prepare("SELECT what, bytes FROM written ORDER BY what").unwrap();
    let found: Vec<(String, i64)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let names: Vec<&str> = found.iter().map(|(what, _)| what.as_str()).collect();
    // One row on each side of membership; the row of the chat group exists, and only its count of members changes.
    assert_eq!(names, ["count", "member", "membership"]);
    let bytes: i64 = found.iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes < 1_024, "{bytes} bytes");
}
