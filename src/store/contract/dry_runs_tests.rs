//! The tests of dry runs that every store has to pass.

use super::{
    Store, StoreError, app, chat_group, conversations, destroy, grouping, in_group, keep, member, owner,
    profile, revive, terms,
    touches_tests::{all, touched},
    user, whole,
};
use crate::{
    domain::{
        ChatGroupEdit, ChatGroupOutcome, ChatGroupRejection, CustomMark, Edit, GroupName, MarkBit,
        MarkChange, MemberChange, Outcome, Owner, ProfileTag, ProfileValue, Rejection, StandardChange,
    },
    store::{ChatGroupQuery, ChatGroupWrite, Pending, Revision, Write},
};

fn submit<'a>(
    store: &'a dyn Store,
    owner: &Owner,
    edit: &Edit,
    dry_run: bool,
) -> Pending<'a, Result<Outcome, Rejection>> {
    store.commit(Write { dry_run, ..Write::new(owner.clone(), edit.clone(), terms()) })
}

async fn submit_chat_group(
    store: &dyn Store,
    id: &str,
    edit: &ChatGroupEdit,
    dry_run: bool,
) -> Result<ChatGroupOutcome, ChatGroupRejection> {
    let write = ChatGroupWrite::new(app(1), chat_group(id), edit.clone(), terms());
    store.commit_chat_group(ChatGroupWrite { dry_run, ..write }).await.unwrap()
}

fn name(text: &str) -> GroupName {
    GroupName::parse(text).unwrap()
}

/// Returns edits of every kind that a command makes, each of which changes what the ones before it have left, and one
/// that is refused.
fn edits() -> Vec<Edit> {
    let standard = StandardChange { clear: Vec::new(), set: vec![MarkBit::new(3).unwrap()] };
    let mark = MarkChange { standard: Some(standard), custom: Some(CustomMark::parse("c").unwrap()) };
    vec![
        Edit::ImportAccount { nick: Some("n".to_owned()), face_url: None },
        Edit::SetProfile(vec![(ProfileTag::Level, Some(ProfileValue::Number(3)))]),
        grouping("first", &[user("x"), in_group("g")]),
        grouping("first", &[user("y")]),
        Edit::ChangeMembers { name: name("first"), changes: vec![(MemberChange::Remove, user("x"))] },
        Edit::Mark { items: vec![Ok((user("z"), mark)), Err(Rejection::Unreadable("item".to_owned()))] },
        Edit::RenameGroup { name: name("first"), new: name("second") },
        Edit::RenameGroup { name: name("first"), new: name("third") },
        grouping("first", &[user("x")]),
        Edit::DeleteGroup { name: name("second") },
        Edit::DeleteAccount,
        grouping("last", &[user("x")]),
    ]
}

pub(in crate::store) async fn a_dry_run_keeps_nothing(store: &dyn Store) {
    let a = owner(1, "a");
    touched(store, &a, "x").await;
    for edit in edits() {
        let (before, commits) = (store.load(&a).await.unwrap(), store.statistics().commits);
        let around = async || {
            let accounts = store.accounts(app(1), vec![a.user.clone()]).await.unwrap();
            (accounts, store.recent(&a, all()).await.unwrap().sessions)
        };
        let accounts_and_sessions = around().await;
        let tried = submit(store, &a, &edit, true).await.unwrap();
        assert_eq!(
            submit(store, &a, &edit, true).await.unwrap(),
            tried,
            "a dry run can be repeated: {edit:?}"
        );
        let after = store.load(&a).await.unwrap();
        assert_eq!((&after.state, after.revision), (&before.state, before.revision), "{edit:?}");
        assert_eq!(around().await, accounts_and_sessions, "{edit:?}");
        assert_eq!(store.statistics().commits, commits, "{edit:?} was written");
        let done = submit(store, &a, &edit, false).await.unwrap();
        assert_eq!(done, tried, "a dry run has the outcome of the edit: {edit:?}");
    }
    assert_eq!(
        store.recent(&a, all()).await.unwrap().sessions,
        [].into(),
        "the edit itself ends the sessions"
    );
    let revision = store.load(&a).await.unwrap().revision;
    let outdated = Write {
        dry_run: true,
        expected: Some(Revision(revision.0 + 1)),
        ..Write::new(a, Edit::DeleteAccount, terms())
    };
    let refused = store.commit(outdated).await;
    assert!(matches!(refused, Err(StoreError::Conflict(found)) if found == revision), "{refused:?}");
}

pub(in crate::store) async fn a_dry_run_among_real_edits_leaves_no_trace(store: &dyn Store) {
    let (a, b) = (owner(1, "a"), owner(1, "b"));
    // Nothing is awaited, so that a store may apply several of these edits together.
    let (mut tried, mut done) = (Vec::new(), Vec::new());
    for edit in edits().iter().cycle().take(edits().len() * 10) {
        tried.push(submit(store, &a, edit, true));
        done.push(submit(store, &a, edit, false));
        // What is tried and not done must not matter for what follows.
        drop(submit(store, &a, &Edit::DeleteAccount, true));
        drop(submit(store, &a, &grouping("never", &[user("never")]), true));
    }
    for (tried, done) in tried.into_iter().zip(done) {
        assert_eq!(tried.await.unwrap(), done.await.unwrap());
    }
    for edit in edits().iter().cycle().take(edits().len() * 10) {
        drop(submit(store, &b, edit, false).await.unwrap());
    }
    let (a, b) = (store.load(&a).await.unwrap().state, store.load(&b).await.unwrap().state);
    assert_eq!(a, b, "the owner should be as if nothing had been tried");
}

pub(in crate::store) async fn a_dry_run_of_a_chat_group_keeps_nothing(store: &dyn Store) {
    let a = owner(1, "a");
    let listed = async || {
        let query = ChatGroupQuery { from: 0, limit: 10, kind: None };
        store.list_chat_groups(app(1), query).await.unwrap().total
    };
    let create = ChatGroupEdit::Create { profile: profile("n"), members: Vec::new() };
    let tried = submit_chat_group(store, "g", &create, true).await;
    assert_eq!((whole(store, app(1), "g").await, listed().await), (None, 0));
    assert!(tried.is_ok());
    assert_eq!(submit_chat_group(store, "g", &create, false).await, tried);
    let before = whole(store, app(1), "g").await;
    keep(store, &a, "first", &[in_group("g")]).await;
    for edit in
        [ChatGroupEdit::AddMembers(vec![member("bob", false)]), ChatGroupEdit::Destroy, create.clone()]
    {
        let tried = submit_chat_group(store, "g", &edit, true).await;
        assert_eq!(whole(store, app(1), "g").await, before, "{edit:?}");
        assert_eq!((conversations(store, &a).await, listed().await), (vec![in_group("g")], 1), "{edit:?}");
        // An edit of an owner that follows must not bury the record either.
        keep(store, &a, "first", &[user("x")]).await;
        assert!(conversations(store, &a).await.contains(&in_group("g")), "{edit:?}");
        let remove =
            Edit::ChangeMembers { name: name("first"), changes: vec![(MemberChange::Remove, user("x"))] };
        submit(store, &a, &remove, false).await.unwrap().unwrap();
        assert_eq!(tried.is_ok(), !matches!(edit, ChatGroupEdit::Create { .. }), "{tried:?}");
    }
    let tried = submit_chat_group(store, "g", &ChatGroupEdit::Destroy, true).await;
    assert_eq!(submit_chat_group(store, "g", &ChatGroupEdit::Destroy, false).await, tried);
    assert_eq!(conversations(store, &a).await, []);
    // The id keeps its incarnation, whatever is tried.
    let import = ChatGroupEdit::Create { profile: profile("again"), members: Vec::new() };
    submit_chat_group(store, "g", &import, true).await.unwrap();
    assert_eq!(whole(store, app(1), "g").await.unwrap().group.incarnation, 1);
    revive(store, app(1), "g", profile("again")).await;
    destroy(store, app(1), "g").await;
    assert_eq!(whole(store, app(1), "g").await.unwrap().group.incarnation, 2);
}
