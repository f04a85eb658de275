//! Compares the rules for chat groups with a naive model that follows the protocol's documentation.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::domain::{ChatGroupKind, JoinOption, Limits, ProfileDetails};

/// The model's state: the chat group's name while it exists, how often it was destroyed, and its members besides the
/// owner.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    name: Option<String>,
    deaths: u32,
    members: Vec<String>,
}

#[derive(Clone, Debug)]
enum Step {
    Create { name: u8, members: Vec<u8> },
    Add(Vec<u8>),
    Remove(Vec<u8>),
    Destroy,
    Import { name: Option<u8>, incarnation: u32, members: Vec<u8> },
}

/// User 0 owns the chat group, users 1 to 5 exist, user 6 does not.
const OWNER: u8 = 0;
const MAX: usize = 4;

fn user(index: u8) -> UserId {
    UserId::parse(&format!("user{index}")).unwrap()
}

fn member(index: u8) -> Member {
    Member::new(user(index), false, 1)
}

fn profile(name: u8) -> ChatGroupProfile {
    ChatGroupProfile {
        kind: ChatGroupKind::Public,
        name: format!("name{name}"),
        owner: Some(user(OWNER)),
        introduction: String::new(),
        notification: String::new(),
        face_url: String::new(),
        max_members: u32::try_from(MAX).unwrap(),
        join_option: JoinOption::default(),
        created_at: 1,
        details: ProfileDetails::default(),
    }
}

fn edit(step: &Step) -> ChatGroupEdit {
    let members = |indices: &[u8]| indices.iter().map(|index| member(*index)).collect::<Vec<_>>();
    match step {
        Step::Create { name, members: some } => {
            ChatGroupEdit::Create { profile: profile(*name), members: members(some) }
        }
        Step::Add(some) => ChatGroupEdit::AddMembers(members(some)),
        Step::Remove(some) => ChatGroupEdit::RemoveMembers(some.iter().map(|index| user(*index)).collect()),
        Step::Destroy => ChatGroupEdit::Destroy,
        Step::Import { name, incarnation, members: some } => {
            let group =
                ChatGroup { incarnation: *incarnation, profile: name.map(profile), ..ChatGroup::default() };
            let members = if name.is_some() { members(some) } else { Vec::new() };
            ChatGroupEdit::Restore { group, members }
        }
    }
}

impl Model {
    fn has(&self, index: u8) -> bool {
        index == OWNER || self.members.contains(&user(index).to_string())
    }

    /// Applies the step, or returns false if it must be refused.
    fn apply(&mut self, step: &Step) -> bool {
        match step {
            Step::Create { name, members } => {
                let named: HashSet<u8> = members.iter().copied().chain([OWNER]).collect();
                if members.contains(&6) || named.len() > MAX || self.name.is_some() {
                    return false;
                }
                self.name = Some(format!("name{name}"));
                for index in members {
                    if !self.has(*index) {
                        self.members.push(user(*index).to_string());
                    }
                }
            }
            Step::Add(members) => {
                let mut after = self.clone();
                for index in members.iter().filter(|index| **index != 6) {
                    if !after.has(*index) {
                        after.members.push(user(*index).to_string());
                    }
                }
                if self.name.is_none() || after.members.len() + 1 > MAX {
                    return false;
                }
                *self = after;
            }
            Step::Remove(members) => {
                if self.name.is_none() || members.contains(&OWNER) {
                    return false;
                }
                self.members.retain(|name| members.iter().all(|index| user(*index).to_string() != *name));
            }
            Step::Destroy => {
                if self.name.is_none() {
                    return false;
                }
                (self.name, self.members) = (None, Vec::new());
                self.deaths += 1;
            }
            Step::Import { name, incarnation, members } => {
                // Importing a destroyed chat group destroys one that exists or is unknown.
                let dies = name.is_none() && (self.name.is_some() || *self == Model::default());
                self.deaths = (*incarnation).max(self.deaths + u32::from(dies));
                self.name = name.map(|name| format!("name{name}"));
                self.members = Vec::new();
                for index in members.iter().filter(|_| name.is_some()) {
                    let text = user(*index).to_string();
                    if !self.members.contains(&text) {
                        self.members.push(text);
                    }
                }
            }
        }
        true
    }
}

/// Converts the state to the model's form.
fn visible(state: &ChatGroupState) -> Model {
    Model {
        name: state.group.profile.as_ref().map(|profile| profile.name.clone()),
        deaths: state.group.incarnation,
        members: state.members.iter().map(|member| member.user.to_string()).collect(),
    }
}

/// Decides an edit and checks that its deltas lead to the next state.
fn decide(
    state: Option<&ChatGroupState>,
    edit: &ChatGroupEdit,
) -> Result<ChatGroupState, ChatGroupRejection> {
    let imported: HashSet<UserId> = (0..6).map(user).collect();
    let terms = Terms::of_tools(Limits::OPEN, 1);
    let members = match (state, edit.wanted()) {
        (None, _) => Vec::new(),
        (Some(state), WantedMembers::All) => state.members.clone(),
        (Some(state), WantedMembers::Named(users)) => {
            state.members.iter().filter(|member| users.contains(&member.user)).cloned().collect()
        }
    };
    let world = ChatGroupWorld { terms: &terms, imported: &imported, members: &members, exits: &[] };
    let Decision { outcome, change } = edit.decide(state.map(|state| &state.group), world)?;
    let before = state.cloned().unwrap_or_default();
    let Some(ChatGroupChange { next, deltas }) = change else {
        assert!(!outcome.changed);
        return Ok(before);
    };
    let after = before.folded(&deltas);
    assert_eq!(after.group, next, "the deltas lead to the next state");
    assert!(state.is_none() || after != before, "an edit that changes nothing makes no change");
    assert_eq!(outcome.after, Some(next.life()));
    Ok(after)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let users = || prop::collection::vec(0..7u8, 0..4);
    let known = || prop::collection::vec(1..6u8, 0..4);
    let step = prop_oneof![
        2 => (0..3u8, known()).prop_map(|(name, members)| Step::Create { name, members }),
        1 => (0..3u8, users()).prop_map(|(name, members)| Step::Create { name, members }),
        3 => users().prop_map(Step::Add),
        2 => known().prop_map(Step::Remove),
        1 => users().prop_map(Step::Remove),
        1 => Just(Step::Destroy),
        2 => (prop::option::of(0..3u8), 0..4u32, known()).prop_map(|(name, incarnation, members)| Step::Import {
            name,
            incarnation,
            members,
        }),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rules_of_chat_groups_agree_with_the_model(steps in steps()) {
        let (mut state, mut model) = (None, Model::default());
        for step in &steps {
            let made = model.apply(step);
            let next = decide(state.as_ref(), &edit(step));
            prop_assert_eq!(next.is_ok(), made, "{:?}: {:?}", step, next);
            if let Ok(next) = next {
                state = Some(next);
            }
            prop_assert_eq!(visible(&state.clone().unwrap_or_default()), model.clone(), "after {:?}", step);
        }
    }
}

#[test]
fn a_kind_without_a_list_of_members_has_none_to_change() {
    let room = ChatGroupProfile { kind: ChatGroupKind::AvChatRoom, ..profile(0) };
    let with_members = ChatGroupEdit::Create { profile: room.clone(), members: vec![member(1)] };
    assert_eq!(decide(None, &with_members), Err(ChatGroupRejection::NoMemberList));
    let state = decide(None, &ChatGroupEdit::Create { profile: room, members: Vec::new() }).unwrap();
    for edit in [Step::Add(vec![1]), Step::Remove(vec![1])].iter().map(edit) {
        assert_eq!(decide(Some(&state), &edit), Err(ChatGroupRejection::NoMemberList));
    }
}

#[test]
fn an_id_can_be_used_until_its_incarnations_are_used_up() {
    let last = ChatGroup { incarnation: MAX_NUMBER, ..ChatGroup::default() };
    let spent = ChatGroupState { group: last, members: Vec::new() };
    let create = edit(&Step::Create { name: 0, members: Vec::new() });
    assert_eq!(decide(Some(&spent), &create), Err(ChatGroupRejection::Spent));
    let import = Step::Import { name: Some(0), incarnation: 0, members: Vec::new() };
    assert_eq!(decide(Some(&spent), &edit(&import)), Err(ChatGroupRejection::Spent));
    let before = ChatGroup { incarnation: MAX_NUMBER - 1, ..spent.group.clone() };
    let before = ChatGroupState { group: before, members: Vec::new() };
    let alive = decide(Some(&before), &create).unwrap();
    assert_eq!(decide(Some(&alive), &ChatGroupEdit::Destroy).unwrap().group.incarnation, MAX_NUMBER);
}
