//! Tests of the chat groups that a user belongs to.

use super::*;
use crate::{
    domain::{LAST_SECOND, Role},
    store::Membership,
};

/// Returns the memberships of a user in app 1: chat group, incarnation, role and time.
async fn of(store: &dyn Store, user: &str) -> Vec<(String, u32, Role, u64)> {
    in_app(store, 1, user).await
}

async fn in_app(store: &dyn Store, number: u32, user: &str) -> Vec<(String, u32, Role, u64)> {
    let found = store.memberships(&owner(number, user)).await.unwrap();
    let mut found: Vec<_> = (found.into_iter())
        .map(|Membership { id, incarnation, kind, role, joined_at, .. }| {
            assert_eq!(kind, ChatGroupKind::Meeting);
            (id.to_string(), incarnation, role, joined_at)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn users(names: &[&str]) -> Vec<UserId> {
    names.iter().map(|name| UserId::parse(name).unwrap()).collect()
}

fn create(members: Vec<Member>) -> ChatGroupEdit {
    ChatGroupEdit::Create { profile: profile("n"), members }
}

const CREATED: u64 = 1_700_000_000;
const JOINED: u64 = 1_700_000_001;

pub(in crate::store) async fn memberships_follow_the_members(store: &dyn Store) {
    assert_eq!(of(store, "ann").await, []);
    let entry = |id: &str, incarnation, role, at| (id.to_owned(), incarnation, role, at);
    edit_chat_group(store, app(1), "a", create(members())).await.unwrap();
    edit_chat_group(store, app(2), "a", create(members())).await.unwrap();
    edit_chat_group(store, app(1), "b", create(Vec::new())).await.unwrap();
    assert_eq!(
        of(store, "boss").await,
        [entry("a", 0, Role::Owner, CREATED), entry("b", 0, Role::Owner, CREATED)]
    );
    assert_eq!(of(store, "zoe").await, [entry("a", 0, Role::Admin, JOINED)]);
    let later = Member { joined_at: LAST_SECOND, ..member("ann", false) };
    let add = ChatGroupEdit::AddMembers(vec![later, member("bob", true)]);
    edit_chat_group(store, app(1), "b", add).await.unwrap();
    assert_eq!(of(store, "ann").await, [entry("b", 0, Role::Member, LAST_SECOND)]);
    assert_eq!(
        of(store, "bob").await,
        [entry("a", 0, Role::Member, JOINED), entry("b", 0, Role::Admin, JOINED)]
    );
    edit_chat_group(store, app(1), "a", ChatGroupEdit::RemoveMembers(users(&["bob"]))).await.unwrap();
    assert_eq!(of(store, "bob").await, [entry("b", 0, Role::Admin, JOINED)]);
    assert_eq!(in_app(store, 2, "bob").await, [entry("a", 0, Role::Member, JOINED)], "apps are apart");
    // A refused edit, a dry run and an edit that changes nothing make nobody a member.
    let refused = ChatGroupEdit::RemoveMembers(users(&["boss"]));
    edit_chat_group(store, app(1), "a", refused).await.unwrap_err();
    let add = ChatGroupEdit::AddMembers(vec![member("dry", false)]);
    let write =
        ChatGroupWrite { dry_run: true, ..ChatGroupWrite::new(app(1), chat_group("a"), add, terms()) };
    store.commit_chat_group(write).await.unwrap().unwrap();
    assert_eq!(of(store, "dry").await, []);
}

pub(in crate::store) async fn an_ended_membership_never_shows_again(store: &dyn Store) {
    let entry = |id: &str, incarnation, role, at| (id.to_owned(), incarnation, role, at);
    edit_chat_group(store, app(1), "g", create(members())).await.unwrap();
    destroy(store, app(1), "g").await;
    assert_eq!((of(store, "zoe").await, of(store, "boss").await), (vec![], vec![]));
    // The same id again, with other members.
    edit_chat_group(store, app(1), "g", create(vec![member("ann", false)])).await.unwrap();
    assert_eq!(of(store, "zoe").await, []);
    assert_eq!(of(store, "ann").await, [entry("g", 1, Role::Member, JOINED)]);
    assert_eq!(of(store, "boss").await, [entry("g", 1, Role::Owner, CREATED)]);
    // The owner's next write may delete what is dead, but nothing that has come back meanwhile.
    let zoe = owner(1, "zoe");
    assert_eq!(of(store, "zoe").await, []);
    edit_chat_group(store, app(1), "g", ChatGroupEdit::AddMembers(vec![member("zoe", false)])).await.unwrap();
    keep(store, &zoe, "first", &[user("x")]).await;
    assert_eq!(of(store, "zoe").await, [entry("g", 1, Role::Member, JOINED)]);
    edit_chat_group(store, app(1), "g", ChatGroupEdit::RemoveMembers(users(&["zoe"]))).await.unwrap();
    assert_eq!(of(store, "zoe").await, []);
    keep(store, &zoe, "second", &[user("x")]).await;
    assert_eq!(of(store, "zoe").await, []);
    edit_chat_group(store, app(1), "g", ChatGroupEdit::AddMembers(vec![member("zoe", false)])).await.unwrap();
    assert_eq!(of(store, "zoe").await, [entry("g", 1, Role::Member, JOINED)]);
    // Neither deleting the account nor resetting the owner changes chat groups.
    commit(store, &zoe, Edit::DeleteAccount).await.unwrap().unwrap();
    store.reset(Scope::Owner(zoe)).await.unwrap();
    assert_eq!(of(store, "zoe").await.len(), 1);
}

pub(in crate::store) async fn an_import_replaces_memberships(store: &dyn Store) {
    let restore = |incarnation, members: Vec<Member>, owner: &str| {
        let profile = ChatGroupProfile { owner: Some(UserId::parse(owner).unwrap()), ..profile("n") };
        let group = ChatGroup { incarnation, profile: Some(profile), ..ChatGroup::default() };
        ChatGroupEdit::Restore { group, members }
    };
    let names = async |who: &str| of(store, who).await.into_iter().map(|entry| entry.1).collect::<Vec<_>>();
    edit_chat_group(store, app(1), "g", restore(0, members(), "boss")).await.unwrap();
    // The members stay, and only the incarnation rises.
    edit_chat_group(store, app(1), "g", restore(5, members(), "boss")).await.unwrap();
    assert_eq!([names("zoe").await, names("bob").await, names("boss").await], [[5], [5], [5]]);
    edit_chat_group(store, app(1), "g", restore(5, vec![member("bob", false)], "ann")).await.unwrap();
    assert_eq!([names("zoe").await, names("boss").await], [[], [] as [u32; 0]]);
    assert_eq!([names("bob").await, names("ann").await], [[5], [5]]);
}

pub(in crate::store) async fn a_reset_ends_memberships(store: &dyn Store) {
    for number in [1, 2] {
        edit_chat_group(store, app(number), "g", create(members())).await.unwrap();
    }
    store.reset(Scope::App(app(1))).await.unwrap();
    assert_eq!((of(store, "zoe").await.len(), in_app(store, 2, "zoe").await.len()), (0, 1));
    edit_chat_group(store, app(1), "g", create(Vec::new())).await.unwrap();
    assert_eq!((of(store, "zoe").await.len(), of(store, "boss").await.len()), (0, 1));
    store.reset(Scope::All).await.unwrap();
    assert_eq!((of(store, "boss").await.len(), in_app(store, 2, "zoe").await.len()), (0, 0));
    store.close().await;
    assert!(matches!(store.memberships(&owner(1, "zoe")).await, Err(StoreError::Closed)));
}
