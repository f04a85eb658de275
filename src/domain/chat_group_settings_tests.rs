//! Tests what the rules for profiles, entries and owners refuse, and that their deltas lead to the next state.

use std::collections::HashSet;

use super::*;
use crate::domain::{ChatGroupEdit, ChatGroupState, Decision, Limits, ProfileDetails, Terms, WantedMembers};

const NOW: u64 = 1_700_000_100;
const CREATED: u64 = 1_700_000_000;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// Returns a chat group of boss with the members ann, who is an administrator, and bob.
fn group(kind: ChatGroupKind) -> ChatGroupState {
    let profile = ChatGroupProfile {
        name: "n".to_owned(),
        owner: Some(user("boss")),
        max_members: 4,
        created_at: CREATED,
        ..ChatGroupProfile::nameless(kind)
    };
    let has_list = kind != ChatGroupKind::AvChatRoom;
    let members = vec![Member::new(user("ann"), true, CREATED), Member::new(user("bob"), false, CREATED)];
    let members = if has_list { members } else { Vec::new() };
    let group = ChatGroup { profile: Some(profile), listed: members.len(), ..ChatGroup::default() };
    ChatGroupState { group, members }
}

/// Decides an edit. The users ann, bob, boss and cid exist.
fn decide(state: &ChatGroupState, edit: &ChatGroupEdit) -> Result<ChatGroupState, ChatGroupRejection> {
    let imported: HashSet<UserId> = ["ann", "bob", "boss", "cid"].map(user).into();
    let terms = Terms::of_tools(Limits::OPEN, NOW);
    let WantedMembers::Named(named) = edit.wanted() else { panic!("these edits name their members") };
    let members: Vec<Member> =
        state.members.iter().filter(|member| named.contains(&member.user)).cloned().collect();
    let world = ChatGroupWorld { terms: &terms, imported: &imported, members: &members, exits: &[] };
    let Decision { change, .. } = edit.decide(Some(&state.group), world)?;
    let Some(ChatGroupChange { next, deltas }) = change else { return Ok(state.clone()) };
    let after = state.folded(&deltas);
    assert_eq!(after.group, next, "the deltas lead to the next state");
    assert_ne!(after, *state, "a change changes something");
    Ok(after)
}

fn profile(patch: ProfilePatch) -> ChatGroupEdit {
    ChatGroupEdit::ChangeProfile { patch, operator: None }
}

fn entry(name: &str, patch: MemberPatch) -> ChatGroupEdit {
    ChatGroupEdit::ChangeMember { user: user(name), patch }
}

fn owner(name: &str) -> ChatGroupEdit {
    ChatGroupEdit::ChangeOwner { user: user(name), operator: None }
}

#[test]
fn a_profile_that_changes_says_when_and_one_that_does_not_stays_as_it_is() {
    let before = group(ChatGroupKind::Public);
    let same = ProfilePatch { name: Some("n".to_owned()), mute_all: Some(false), ..ProfilePatch::default() };
    assert_eq!(decide(&before, &profile(same)).unwrap(), before);
    let patch = ProfilePatch {
        introduction: Some("i".to_owned()),
        max_members: Some(3),
        invite_option: Some(InviteOption::NeedPermission),
        ..ProfilePatch::default()
    };
    let after = decide(&before, &profile(patch.clone())).unwrap().group.profile.unwrap();
    assert_eq!((after.introduction.as_str(), after.max_members, after.changed_at()), ("i", 3, NOW));
    assert_eq!(after.details.invite_option, InviteOption::NeedPermission);
    let few = ProfilePatch { max_members: Some(2), ..ProfilePatch::default() };
    assert_eq!(decide(&before, &profile(few)), Err(ChatGroupRejection::TooMany { members: 3, most: 2 }));
    let by = |name: &str| ChatGroupEdit::ChangeProfile { patch: patch.clone(), operator: Some(user(name)) };
    assert_eq!(decide(&before, &by("ghost")), Err(ChatGroupRejection::UnknownUser(user("ghost"))));
    assert!(decide(&before, &by("cid")).is_ok());
    // A room has neither a highest number of members nor invitations.
    let room = decide(&group(ChatGroupKind::AvChatRoom), &profile(patch)).unwrap().group.profile.unwrap();
    assert_eq!(
        (room.max_members, room.details),
        (4, ProfileDetails { changed_at: NOW, ..ProfileDetails::default() })
    );
}

#[test]
fn an_entry_changes_as_far_as_its_role_and_the_kind_of_chat_group_allow() {
    let before = group(ChatGroupKind::Public);
    let name = |text: &str| MemberPatch { name_card: Some(text.to_owned()), ..MemberPatch::default() };
    let role = |admin| MemberPatch { admin: Some(admin), ..MemberPatch::default() };
    let mute = MemberPatch { mutes: true, ..MemberPatch::default() };
    let after = decide(&before, &entry("bob", MemberPatch { admin: Some(true), ..name("B") })).unwrap();
    assert_eq!((after.members[1].admin, after.members[1].details.name_card.as_str()), (true, "B"));
    assert_eq!(after.members[0], before.members[0]);
    for nothing in [name(""), role(false), mute.clone(), MemberPatch::default()] {
        assert_eq!(decide(&before, &entry("bob", nothing)).unwrap(), before);
    }
    let after = decide(&before, &entry("boss", name("B"))).unwrap();
    assert_eq!(after.group.profile.unwrap().owner_seat().unwrap().details.name_card, "B");
    for (kind, who, patch, expected) in [
        (ChatGroupKind::Public, "boss", role(true), ChatGroupRejection::OwnersRole(user("boss"))),
        (ChatGroupKind::Public, "cid", name("c"), ChatGroupRejection::NotInGroup(user("cid"))),
        (ChatGroupKind::AvChatRoom, "cid", name("c"), ChatGroupRejection::OwnerOnly),
        (ChatGroupKind::Private, "bob", mute.clone(), ChatGroupRejection::NoMuting),
        (ChatGroupKind::Work, "boss", mute, ChatGroupRejection::NoMuting),
    ] {
        assert_eq!(decide(&group(kind), &entry(who, patch)), Err(expected));
    }
    assert!(decide(&group(ChatGroupKind::AvChatRoom), &entry("boss", name("B"))).is_ok());
}

#[test]
fn the_owner_changes_places_with_a_member() {
    let before = group(ChatGroupKind::Public);
    let after = decide(&before, &owner("ann")).unwrap();
    let roles = |state: &ChatGroupState| {
        let profile = state.group.profile.as_ref().unwrap();
        let listed =
            state.members.iter().map(|member| (member.user.to_string(), member.admin)).collect::<Vec<_>>();
        (profile.owner.as_ref().map(ToString::to_string), listed)
    };
    let expected = vec![("bob".to_owned(), false), ("boss".to_owned(), false)];
    assert_eq!(roles(&after), (Some("ann".to_owned()), expected));
    assert_eq!(after.group.member_count(), before.group.member_count());
    assert_eq!(decide(&after, &owner("ann")).unwrap(), after);
    for (who, expected) in [
        ("cid", ChatGroupRejection::NotInGroup(user("cid"))),
        ("ghost", ChatGroupRejection::UnknownUser(user("ghost"))),
    ] {
        assert_eq!(decide(&before, &owner(who)), Err(expected));
    }
    let room = group(ChatGroupKind::AvChatRoom);
    assert_eq!(decide(&room, &owner("boss")), Err(ChatGroupRejection::NoMemberList));
    let mut without = before;
    without.group.profile.as_mut().unwrap().set_owner(None);
    let after = decide(&without, &owner("bob")).unwrap();
    assert_eq!((after.members.len(), after.group.member_count()), (1, 2));
}

#[test]
fn nothing_is_changed_in_a_chat_group_that_does_not_exist() {
    let gone =
        ChatGroupState { group: ChatGroup { incarnation: 1, ..ChatGroup::default() }, members: Vec::new() };
    let import = ChatGroupEdit::ImportMembers(vec![Member::new(user("ann"), false, NOW)]);
    let patch = ProfilePatch { name: Some("x".to_owned()), ..ProfilePatch::default() };
    for edit in [profile(patch), entry("ann", MemberPatch::default()), owner("ann"), import] {
        assert_eq!(decide(&gone, &edit), Err(ChatGroupRejection::Unknown));
    }
}
