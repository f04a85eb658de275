//! Reading one line. Fields are named as on the wire where the wire has them, so that a reply of
//! `get_contact_group` is most of a line.

use super::{
    encoding::without_mark,
    known::{self, check_lists, check_saved_reply, only},
};
use crate::{
    domain::{
        Account, AppId, ChangeNumber, ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupProfile,
        ChatGroupState, Counters, CustomMark, GroupId, GroupName, JoinOption, LAST_SECOND, MAX_NUMBER,
        Member, Owner, Restoration, RestoredGroup, RestoredRecord, StandardMark, UserId,
    },
    wire::{Fault, Fields, Node, UnknownFields, Value, read_contact, unreadable},
};

/// The longest line. The heaviest owner there can be – 10,000 conversations in 100 groups each, 10,000 with a custom
/// mark of which every character is escaped – takes some 32 MiB.
pub(super) const LONGEST_LINE: usize = 40 << 20;

/// The most members of a chat group, and bytes of its texts and those of an account: more than any service allows,
/// and little enough for the line of whatever is kept to be no longer than [`LONGEST_LINE`].
const MOST_MEMBERS: u32 = 100_000;
const TEXT_BYTES: usize = 64 * 1024;

/// What a line says.
#[derive(Clone, Debug)]
pub enum Line {
    /// `"Kind":"account"`
    Account {
        /// Whose.
        owner: Owner,
        /// The account.
        account: Account,
    },
    /// `"Kind":"chat_group"`
    ChatGroup {
        /// Of which app.
        app: AppId,
        /// Its id.
        id: ChatGroupId,
        /// The group, living or destroyed, and its members.
        state: ChatGroupState,
    },
    /// `"Kind":"organizer"`
    Organizer(OrganizerLine),
}

/// An organizer as a line tells it.
#[derive(Clone, Debug)]
pub struct OrganizerLine {
    /// Whose.
    pub owner: Owner,
    /// What it puts in the place of what they had organized.
    pub restoration: Restoration,
}

impl Line {
    /// The app it is about.
    #[must_use]
    pub fn app(&self) -> AppId {
        match self {
            Line::Account { owner, .. } => owner.app,
            Line::ChatGroup { app, .. } => *app,
            Line::Organizer(line) => line.owner.app,
        }
    }
}

/// One page of what a server of this API keeps for an owner, as `get_contact_group` replies.
#[derive(Clone, Debug)]
pub struct ReplyPage {
    /// `ErrorCode`; anything but 0 comes with nothing else.
    pub code: i64,
    /// `ErrorInfo`.
    pub info: String,
    /// All groups.
    pub groups: Vec<RestoredGroup>,
    /// The records of the page.
    pub records: Vec<RestoredRecord>,
    /// Where the next page begins, if there is one.
    pub next: Option<i64>,
}

/// Reads a reply of `get_contact_group`.
///
/// # Errors
/// What is wrong with it: the field, the rule and what was found.
pub fn read_reply(text: &[u8]) -> Result<ReplyPage, String> {
    let node = Node::parse(text)
        .map_err(|error| format!("the reply is not a JSON object: {}", unreadable(text, &error)))?;
    let fields = Fields::of_request(&node).map_err(|fault| format!("the reply {fault}"))?;
    read_page(fields).map_err(|fault| fault.to_string())
}

fn read_page(fields: Fields<'_>) -> Result<ReplyPage, Fault> {
    let number = |name| fields.optional(name, |value| value.read::<i64>());
    let code = fields.required("ErrorCode", |value| value.read::<i64>())?;
    let mut page = ReplyPage {
        code,
        info: fields.optional_text("ErrorInfo")?.unwrap_or_default().to_owned(),
        groups: Vec::new(),
        records: Vec::new(),
        next: None,
    };
    if code == 0 {
        page.groups = fields.optional("GroupItem", |items| items.each(read_group))?.unwrap_or_default();
        page.records = fields.optional("ContactItem", |items| items.each(read_record))?.unwrap_or_default();
        if number("CompleteFlag")? != Some(1) {
            page.next = Some(fields.required("NextStartIndex", |value| value.read::<i64>())?);
        }
    }
    Ok(page)
}

/// Reads a line; `unknown` says what becomes of fields that it cannot have.
///
/// # Errors
/// What is wrong with it: the field, the rule and what was found.
pub fn read_line(text: &[u8], unknown: UnknownFields) -> Result<Line, String> {
    let text = without_mark(text);
    let node = Node::parse(text)
        .map_err(|error| format!("the line is not a JSON object: {}", unreadable(text, &error)))?;
    let fields = Fields::of_request(&node).map_err(|fault| format!("the line {fault}"))?;
    read(fields, unknown).map_err(|fault| fault.to_string())
}

fn read(fields: Fields<'_>, unknown: UnknownFields) -> Result<Line, Fault> {
    let app = fields.required("SdkAppId", |value| {
        let number = value.read::<i64>()?;
        (u32::try_from(number).ok().and_then(AppId::new))
            .ok_or_else(|| Fault::unfit(value.path, "a number from 1 to 4294967295", value.node))
    })?;
    match fields.text("Kind")? {
        "account" => {
            only(fields, known::ACCOUNT, unknown, "an account")?;
            let user = fields.required("UserID", importable)?;
            let text = |name| text_of(fields, name);
            let account = Account { nick: text("Nick")?, face_url: text("FaceUrl")? };
            Ok(Line::Account { owner: Owner { app, user }, account })
        }
        "chat_group" => {
            only(fields, known::CHAT_GROUP, unknown, "a chat group")?;
            let id = fields.required("GroupId", |value| parsed(value, ChatGroupId::parse))?;
            Ok(Line::ChatGroup { app, id, state: chat_group(fields, unknown)? })
        }
        "organizer" => organizer(app, fields, unknown),
        _ => fields.required("Kind", |value| {
            Err(Fault::unfit(value.path, "account, chat_group or organizer", value.node))
        }),
    }
}

fn organizer(app: AppId, fields: Fields<'_>, unknown: UnknownFields) -> Result<Line, Fault> {
    only(fields, known::ORGANIZER, unknown, "an organizer")?;
    check_lists(fields, unknown)?;
    check_saved_reply(fields)?;
    let known = fields.optional("Account", |value| value.read::<bool>())?.unwrap_or(true);
    // Without an account he may be an administrator of the configuration, whose name is not bound to that rule.
    let user = fields.required("From_Account", if known { importable } else { any_user })?;
    let counters = Counters {
        version: optional_number(fields, "Version")?.unwrap_or(0),
        renumberings: optional_number(fields, "Renumberings")?.unwrap_or(0),
        renumbered_at: fields.optional("LastRenumbering", seconds)?.unwrap_or(0),
        last_group: optional_number(fields, "LastGroupId")?.unwrap_or(0),
        last_timestamp: fields.optional("LastTimestamp", seconds)?.unwrap_or(0),
    };
    let group = |item: Value<'_>| {
        only(item.fields()?, known::GROUP, unknown, "a group")?;
        read_group(item)
    };
    let record = |item: Value<'_>| {
        only(item.fields()?, known::RECORD, unknown, "a record")?;
        read_record(item)
    };
    let groups = fields.optional("GroupItem", |items| items.each(group))?.unwrap_or_default();
    let records = fields.optional("ContactItem", |items| items.each(record))?.unwrap_or_default();
    let restoration = Restoration { counters, groups, records, makes_known: known };
    Ok(Line::Organizer(OrganizerLine { owner: Owner { app, user }, restoration }))
}

fn read_group(item: Value<'_>) -> Result<RestoredGroup, Fault> {
    let fields = item.fields()?;
    Ok(RestoredGroup {
        name: fields.required("GroupName", |value| parsed(value, GroupName::parse))?,
        id: fields.required("GroupId", number)?,
        number: optional_number(fields, "Number")?,
    })
}

fn read_record(item: Value<'_>) -> Result<RestoredRecord, Fault> {
    let fields = item.fields()?;
    let groups: Option<Vec<GroupId>> = fields.optional("ContactGroupId", |ids| ids.each(number))?;
    Ok(RestoredRecord {
        conversation: read_contact(item)?,
        mark: fields
            .optional("StandardMark", |value| parsed(value, StandardMark::parse))?
            .unwrap_or_default(),
        custom: fields.optional("CustomMark", |value| parsed(value, CustomMark::parse))?.flatten(),
        groups: groups.unwrap_or_default(),
        timestamp: fields.required("Timestamp", seconds)?,
        number: optional_number(fields, "Number")?,
    })
}

fn chat_group(fields: Fields<'_>, unknown: UnknownFields) -> Result<ChatGroupState, Fault> {
    let incarnation = optional_number(fields, "Incarnation")?.unwrap_or(0);
    if fields.optional("Destroyed", |value| value.read::<bool>())? == Some(true) {
        let group = ChatGroup { incarnation, profile: None, listed: 0 };
        return Ok(ChatGroupState { group, members: Vec::new() });
    }
    let incarnation = match incarnation {
        // It could not be destroyed any more.
        MAX_NUMBER => {
            return fields.required("Incarnation", |value| {
                let rule = format!("at most {} while the chat group exists", MAX_NUMBER - 1);
                Err(Fault::unfit(value.path, rule, value.node))
            });
        }
        below => below,
    };
    let text = |name| text_of(fields, name);
    let profile = ChatGroupProfile {
        kind: fields
            .optional("Type", |value| parsed(value, ChatGroupKind::parse))?
            .unwrap_or(ChatGroupKind::Public),
        name: text("Name")?,
        owner: fields.optional("Owner_Account", any_user)?,
        introduction: text("Introduction")?,
        notification: text("Notification")?,
        face_url: text("FaceUrl")?,
        max_members: fields
            .optional("MaxMemberCount", |value| {
                (u32::try_from(value.read::<i64>()?).ok().filter(|count| *count <= MOST_MEMBERS)).ok_or_else(
                    || Fault::unfit(value.path, format!("a number from 0 to {MOST_MEMBERS}"), value.node),
                )
            })?
            .unwrap_or(ChatGroupProfile::DEFAULT_MEMBERS),
        join_option: fields
            .optional("ApplyJoinOption", |value| parsed(value, JoinOption::parse))?
            .unwrap_or_default(),
        created_at: fields.optional("CreateTime", any_seconds)?.unwrap_or(0),
    };
    let members = fields.optional("MemberList", |list| members(list, unknown))?.unwrap_or_default();
    let group = ChatGroup { incarnation, profile: Some(profile), listed: members.len() };
    Ok(ChatGroupState { group, members })
}

fn members(list: Value<'_>, unknown: UnknownFields) -> Result<Vec<Member>, Fault> {
    let path = list.path;
    let members = list.each(|item| member(item, unknown))?;
    match members.len() {
        found if found > MOST_MEMBERS as usize => {
            Err(Fault::refused(path, format!("it has at most {MOST_MEMBERS} members, found {found}")))
        }
        _ => Ok(members),
    }
}

fn member(item: Value<'_>, unknown: UnknownFields) -> Result<Member, Fault> {
    let fields = item.fields()?;
    only(fields, known::MEMBER, unknown, "a member")?;
    Ok(Member {
        user: fields.required("Member_Account", any_user)?,
        admin: fields.optional_text("Role")? == Some("Admin"),
        joined_at: fields.optional("JoinTime", any_seconds)?.unwrap_or(0),
    })
}

fn text_of(fields: Fields<'_>, name: &str) -> Result<String, Fault> {
    let text = fields.optional(name, |value| match value.read::<&str>()? {
        text if text.len() > TEXT_BYTES => {
            let said = format!("it has at most {TEXT_BYTES} bytes, found {}", text.len());
            Err(Fault::refused(value.path, said))
        }
        text => Ok(text.to_owned()),
    })?;
    Ok(text.unwrap_or_default())
}

fn importable(value: Value<'_>) -> Result<UserId, Fault> {
    parsed(value, UserId::importable)
}

fn any_user(value: Value<'_>) -> Result<UserId, Fault> {
    parsed(value, UserId::parse)
}

fn parsed<T>(
    value: Value<'_>,
    parse: impl Fn(&str) -> Result<T, crate::domain::Rejection>,
) -> Result<T, Fault> {
    parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
}

/// A counter or id: within what typed clients can read.
fn number(value: Value<'_>) -> Result<ChangeNumber, Fault> {
    (u32::try_from(value.read::<i64>()?).ok().filter(|number| *number <= MAX_NUMBER))
        .ok_or_else(|| Fault::unfit(value.path, format!("a number from 0 to {MAX_NUMBER}"), value.node))
}

fn optional_number(fields: Fields<'_>, name: &str) -> Result<Option<u32>, Fault> {
    fields.optional(name, number)
}

/// A time, up to the year 9999: nothing that comes later could be told from it.
fn seconds(value: Value<'_>) -> Result<u64, Fault> {
    (u64::try_from(value.read::<i64>()?).ok().filter(|time| *time <= LAST_SECOND)).ok_or_else(|| {
        Fault::unfit(value.path, format!("a time in seconds since 1970, at most {LAST_SECOND}"), value.node)
    })
}

/// A time that no other depends on.
fn any_seconds(value: Value<'_>) -> Result<u64, Fault> {
    u64::try_from(value.read::<i64>()?)
        .map_err(|_| Fault::unfit(value.path, "a time in seconds since 1970", value.node))
}
