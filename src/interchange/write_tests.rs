//! Tests that lines can be written, read, and written again.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    domain::{
        AppId, ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupProfile, ChatGroupState, GroupName,
        InviteOption, JoinOption, Member, MemberDetails, Organizer, ProfileDetails, ProfileTag, ProfileValue,
        RestoredGroup, RestoredRecord, StandardMark, UserId,
    },
    interchange::{Line, UnknownFields, chat_group::write_chat_group, read_line},
};

fn text(most: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=most).prop_map(move |chars| {
        let mut text: String = chars.into_iter().collect();
        while text.len() > most {
            text.pop();
        }
        text
    })
}

fn user() -> impl Strategy<Value = UserId> {
    "[!-~]{1,32}".prop_filter_map("a user id", |id| UserId::importable(&id).ok())
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let chat_group = "[ -~]{1,48}".prop_filter_map("a chat group id", |id| ChatGroupId::parse(&id).ok());
    prop_oneof![user().prop_map(Conversation::User), chat_group.prop_map(Conversation::ChatGroup)]
}

fn record() -> impl Strategy<Value = RestoredRecord> {
    let mark = "[01]{0,64}".prop_map(|text| StandardMark::parse(&text).unwrap());
    let custom = text(60).prop_map(|text| CustomMark::parse(&text).unwrap());
    let groups = vec(1u32..4, 0..4);
    (conversation(), groups, mark, custom, 0u64..1 << 37).prop_filter_map(
        "a record that holds something",
        |(conversation, groups, mark, custom, timestamp)| {
            let holds = !groups.is_empty() || custom.is_some() || mark != StandardMark::NONE;
            holds.then_some(RestoredRecord { conversation, groups, mark, custom, number: None, timestamp })
        },
    )
}

fn organizer() -> impl Strategy<Value = Organizer> {
    let names = vec(text(32), 3).prop_filter_map("three names", |names| {
        let names = names.iter().map(|name| GroupName::parse(name).ok()).collect::<Option<Vec<_>>>()?;
        (names[0] != names[1] && names[1] != names[2] && names[0] != names[2]).then_some(names)
    });
    let counters = (0u32..1 << 20, 0u32..3, 0u64..1 << 37, 0u32..100, 0u64..1 << 37);
    (names, vec(record(), 0..12), counters).prop_filter_map(
        "distinct conversations",
        |(names, records, counters)| {
            let groups =
                names.into_iter().zip(1..).map(|(name, id)| RestoredGroup { id, name, number: None });
            let (version, renumberings, renumbered_at, last_group, last_timestamp) = counters;
            let counters = Counters { version, renumberings, renumbered_at, last_group, last_timestamp };
            let groups = groups.collect();
            Restoration { counters, groups, records, makes_known: false }.organizer().ok()
        },
    )
}

fn written(owner: &Owner, state: &OwnerState) -> Vec<u8> {
    let mut out = Vec::new();
    write_owner(owner, state, &mut out);
    out
}

proptest! {
    #[test]
    fn an_organizer_survives_a_round_trip(user in user(), organizer in organizer(), known: bool) {
        let owner = Owner { app: AppId::new(7).unwrap(), user };
        let account = known.then(Arc::default);
        let line = written(&owner, &OwnerState { account, organizer: Arc::new(organizer.clone()) });
        prop_assert_eq!(line.split(|byte| *byte == b'\n').count(), 2);
        let Ok(Line::Organizer(read)) = read_line(&line, UnknownFields::Refused) else { panic!("{}", String::from_utf8_lossy(&line)) };
        prop_assert_eq!((&read.owner, read.restoration.makes_known), (&owner, known));
        let mut again = Vec::new();
        write_organizer(&read, &mut again);
        prop_assert_eq!(String::from_utf8_lossy(&line), String::from_utf8_lossy(&again));
        prop_assert_eq!(read.restoration.organizer().unwrap(), organizer);
    }

    #[test]
    fn an_account_survives_a_round_trip(
        user in user(), nick in text(30), face_url in text(30), custom in text(30), level: Option<u32>
    ) {
        let owner = Owner { app: AppId::new(7).unwrap(), user };
        let mut account = Account { nick, face_url, ..Account::default() };
        account.set(ProfileTag::Custom("Test".into()), Some(ProfileValue::Text(custom.into())));
        account.set(ProfileTag::Level, level.map(ProfileValue::Number));
        let state = OwnerState { account: Some(Arc::new(account.clone())), organizer: Arc::default() };
        match read_line(&written(&owner, &state), UnknownFields::Refused) {
            Ok(Line::Account { owner: of, account: read }) => prop_assert_eq!((of, read), (owner, account)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_chat_group_survives_a_round_trip(
        kind in 0..ChatGroupKind::ALL.len(),
        join_option in 0..JoinOption::ALL.len(),
        texts in vec(text(20), 4),
        owner in option::of(user()),
        members in vec((user(), any::<bool>(), 0u64..1 << 40, text(20)), 0..5),
        details in (0u64..1 << 40, any::<bool>(), 0..InviteOption::ALL.len(), 0u64..1 << 40, text(20)),
        numbers in (0u32..9, 1u32..6_000, 0u64..1 << 40),
        alive: bool,
    ) {
        let of_member = |name_card| MemberDetails { name_card, millis: 0 };
        let member =
            |(user, admin, joined_at, card)| Member { user, admin, joined_at, details: of_member(card) };
        let profile = ChatGroupProfile {
            kind: ChatGroupKind::ALL[kind],
            name: texts[0].clone(),
            owner,
            introduction: texts[1].clone(),
            notification: texts[2].clone(),
            face_url: texts[3].clone(),
            max_members: numbers.1,
            join_option: JoinOption::ALL[join_option],
            created_at: numbers.2,
            details: ProfileDetails {
                changed_at: details.0,
                mute_all: details.1,
                invite_option: InviteOption::ALL[details.2],
                owner_joined_at: details.3,
                owner: of_member(details.4),
            },
        };
        let members: Vec<Member> =
            if alive { members.into_iter().map(member).collect() } else { Vec::new() };
        let profile = alive.then_some(profile);
        let group = ChatGroup { incarnation: numbers.0, profile, listed: members.len(), ..ChatGroup::default() };
        let state = ChatGroupState { group, members };
        let (app, id) = (AppId::new(7).unwrap(), ChatGroupId::parse("@TGS#x").unwrap());
        let mut line = Vec::new();
        write_chat_group(app, &id, &state, 0, &mut line);
        match read_line(&line, UnknownFields::Refused) {
            Ok(Line::ChatGroup { app: of, id: named, state: read, last: 0 }) => {
                prop_assert_eq!((of, named, read), (app, id, state));
            }
            other => panic!("{other:?} {}", String::from_utf8_lossy(&line)),
        }
    }
}
