//! Reads one line. Fields have the names of the protocol where possible, so a saved reply of
//! `get_contact_group` is nearly a line.

use super::{
    chat_group::{chat_group, last_message},
    encoding::without_mark,
    known::{self, check_lists, check_saved_reply, only},
    sessions::{SessionsLine, sessions},
    values::{any_user, importable, number, optional_number, parsed, seconds, text_of},
};
use crate::{
    domain::{
        Account, AppId, ChatGroupId, ChatGroupState, Counters, CustomMark, GroupId, GroupName, LastMessage,
        Owner, Profile, ProfileTag, Rejection, Restoration, RestoredGroup, RestoredRecord, StandardMark,
        UnixSeconds,
    },
    wire::{
        Fault, Field, Fields, Node, PROFILE_TAG, UnknownFields, Value, code::Code, read_contact,
        read_profile_field, unreadable,
    },
};

/// The content of a line.
#[derive(Clone, Debug)]
pub enum Line {
    /// `"Kind":"account"`
    Account {
        /// The user.
        owner: Owner,
        /// The account.
        account: Account,
    },
    /// `"Kind":"chat_group"`
    ChatGroup {
        /// The app of the chat group.
        app: AppId,
        /// The id of the chat group.
        id: ChatGroupId,
        /// The chat group, existing or destroyed, and its members.
        state: ChatGroupState,
        /// The time of its newest message; 0 if there is none.
        last: UnixSeconds,
        /// The last message that took a number.
        message: LastMessage,
    },
    /// `"Kind":"organizer"`
    Organizer(OrganizerLine),
    /// `"Kind":"sessions"`
    Sessions(SessionsLine),
}

/// The organizer in a line.
#[derive(Clone, Debug)]
pub struct OrganizerLine {
    /// The owner.
    pub owner: Owner,
    /// The new content of the owner's organizer.
    pub restoration: Restoration,
}

impl Line {
    /// Returns the app that the line is about.
    #[must_use]
    pub fn app(&self) -> AppId {
        match self {
            Line::Account { owner, .. } => owner.app,
            Line::ChatGroup { app, .. } => *app,
            Line::Organizer(line) => line.owner.app,
            Line::Sessions(line) => line.owner.app,
        }
    }
}

/// One page of an owner's data, as `get_contact_group` returns it.
#[derive(Clone, Debug)]
pub struct ReplyPage {
    /// `ErrorCode`; if it is not 0, there are no groups and no records.
    pub code: i64,
    /// `ErrorInfo`.
    pub info: String,
    /// All groups of the owner.
    pub groups: Vec<RestoredGroup>,
    /// The records of this page.
    pub records: Vec<RestoredRecord>,
    /// The `StartIndex` of the next page, if there is one.
    pub next: Option<i64>,
}

/// A reply of another server, which may be a refusal.
pub trait Refusable {
    /// Returns `ErrorCode` and `ErrorInfo`.
    fn refusal(&self) -> (i64, &str);

    /// Returns whether the reply is a temporary error.
    fn passes(&self) -> bool {
        is(Code::passes, self.refusal().0)
    }

    /// Returns whether the reply refuses the caller, so that calls about other users would be refused, too.
    fn is_about_caller(&self) -> bool {
        is(Code::is_about_caller, self.refusal().0)
    }

    /// Returns whether the reply refuses the signature of the caller.
    fn is_about_signature(&self) -> bool {
        is(Code::is_about_signature, self.refusal().0)
    }
}

/// Returns whether a code of another server is of this kind.
fn is(what: fn(Code) -> bool, code: i64) -> bool {
    u32::try_from(code).is_ok_and(|code| what(Code::of(code)))
}

impl Refusable for ReplyPage {
    fn refusal(&self) -> (i64, &str) {
        (self.code, &self.info)
    }
}

/// Reads a reply to `get_contact_group`.
///
/// # Errors
/// Returns what is wrong with the reply: the field, the rule and what was found.
pub fn read_reply(text: &[u8]) -> Result<ReplyPage, String> {
    let node = Node::parse(text)
        .map_err(|error| format!("the reply is not a JSON object: {}", unreadable(text, &error)))?;
    let fields = Fields::of_request(&node).map_err(|fault| format!("the reply {fault}"))?;
    read_page(fields.described(known::ORGANIZER)).map_err(|fault| fault.to_string())
}

fn read_page(fields: Fields<'_>) -> Result<ReplyPage, Fault> {
    let number = |field: &'static Field| fields.optional(field, |value| value.read::<i64>());
    let code = fields.required(&known::ERROR_CODE, |value| value.read::<i64>())?;
    let mut page = ReplyPage {
        code,
        info: fields.optional_text(&known::ERROR_INFO)?.unwrap_or_default().to_owned(),
        groups: Vec::new(),
        records: Vec::new(),
        next: None,
    };
    if code == 0 {
        page.groups =
            fields.optional(&known::GROUP_ITEM, |items| items.each(read_group))?.unwrap_or_default();
        page.records =
            fields.optional(&known::CONTACT_ITEM, |items| items.each(read_record))?.unwrap_or_default();
        if number(&known::COMPLETE_FLAG)? != Some(1) {
            page.next = Some(fields.required(&known::NEXT_START_INDEX, |value| value.read::<i64>())?);
        }
    }
    Ok(page)
}

/// Reads a line. `unknown` says what to do with unknown fields.
///
/// # Errors
/// Returns what is wrong with the line: the field, the rule and what was found.
pub fn read_line(text: &[u8], unknown: UnknownFields) -> Result<Line, String> {
    let text = without_mark(text);
    let node = Node::parse(text)
        .map_err(|error| format!("the line is not a JSON object: {}", unreadable(text, &error)))?;
    let fields = Fields::of_request(&node).map_err(|fault| format!("the line {fault}"))?;
    read(fields, unknown).map_err(|fault| fault.to_string())
}

fn read(fields: Fields<'_>, unknown: UnknownFields) -> Result<Line, Fault> {
    let app = fields.required(&known::SDK_APP_ID, |value| {
        let number = value.read::<i64>()?;
        (u32::try_from(number).ok().and_then(AppId::new))
            .ok_or_else(|| Fault::unfit(value.path, "a number from 1 to 4294967295", value.node))
    })?;
    match fields.text(&known::KIND)? {
        "account" => {
            let fields = only(fields, known::ACCOUNT, unknown, "an account")?;
            let user = fields.required(&known::USER_ID, importable)?;
            Ok(Line::Account { owner: Owner { app, user }, account: account(fields, unknown)? })
        }
        "chat_group" => {
            let fields = only(fields, known::CHAT_GROUP, unknown, "a chat group")?;
            let id = fields.required(&known::GROUP_ID, |value| parsed(value, ChatGroupId::parse))?;
            let last = fields.optional(&known::LAST_MSG_TIME, seconds)?.unwrap_or(0);
            let message = last_message(fields)?;
            Ok(Line::ChatGroup { app, id, state: chat_group(fields, unknown)?, last, message })
        }
        "organizer" => organizer(app, fields, unknown),
        "sessions" => sessions(app, fields, unknown).map(Line::Sessions),
        _ => fields.required(&known::KIND, |value| {
            Err(Fault::unfit(value.path, "account, chat_group, organizer or sessions", value.node))
        }),
    }
}

fn account(fields: Fields<'_>, unknown: UnknownFields) -> Result<Account, Fault> {
    let text = |field| text_of(fields, field);
    let mut account =
        Account { nick: text(&known::NICK)?, face_url: text(&known::FACE_URL)?, ..Account::default() };
    let field = |item: Value<'_>| {
        let fields = only(item.fields()?, known::PROFILE_FIELD, unknown, "a field of a profile")?;
        let (tag, value) = read_profile_field(fields).map_err(|refused| refused.fault)?;
        match tag {
            ProfileTag::Nick | ProfileTag::Image => {
                Err(fields.refused(&PROFILE_TAG, "in a line, these are Nick and FaceUrl"))
            }
            tag => Ok((tag, value)),
        }
    };
    for (tag, value) in fields.optional(&known::PROFILE_ITEM, |items| items.each(field))?.unwrap_or_default()
    {
        account.set(tag, value);
    }
    match account.profile.is_too_large() {
        true => {
            let rejection = Rejection::TooManyTags { limit: Profile::MOST_CUSTOM };
            Err(fields.refused(&known::PROFILE_ITEM, rejection))
        }
        false => Ok(account),
    }
}

fn organizer(app: AppId, fields: Fields<'_>, unknown: UnknownFields) -> Result<Line, Fault> {
    let fields = only(fields, known::ORGANIZER, unknown, "an organizer")?;
    check_lists(fields, unknown)?;
    check_saved_reply(fields)?;
    let known = fields.optional(&known::HAS_ACCOUNT, |value| value.read::<bool>())?.unwrap_or(true);
    // Without an account, the user may be an administrator of the configuration, whose id need not be importable.
    let user = fields.required(&known::FROM_ACCOUNT, if known { importable } else { any_user })?;
    let counters = Counters {
        version: optional_number(fields, &known::VERSION)?.unwrap_or(0),
        renumberings: optional_number(fields, &known::RENUMBERINGS)?.unwrap_or(0),
        renumbered_at: fields.optional(&known::LAST_RENUMBERING, seconds)?.unwrap_or(0),
        last_group: optional_number(fields, &known::LAST_GROUP_ID)?.unwrap_or(0),
        last_timestamp: fields.optional(&known::LAST_TIMESTAMP, seconds)?.unwrap_or(0),
    };
    let group = |item: Value<'_>| {
        only(item.fields()?, known::GROUP, unknown, "a group")?;
        read_group(item)
    };
    let record = |item: Value<'_>| {
        only(item.fields()?, known::RECORD, unknown, "a record")?;
        read_record(item)
    };
    let groups = fields.optional(&known::GROUP_ITEM, |items| items.each(group))?.unwrap_or_default();
    let records = fields.optional(&known::CONTACT_ITEM, |items| items.each(record))?.unwrap_or_default();
    let restoration = Restoration { counters, groups, records, makes_known: known };
    Ok(Line::Organizer(OrganizerLine { owner: Owner { app, user }, restoration }))
}

fn read_group(item: Value<'_>) -> Result<RestoredGroup, Fault> {
    let fields = item.fields()?.described(known::GROUP);
    Ok(RestoredGroup {
        name: fields.required(&known::GROUP_NAME, |value| parsed(value, GroupName::parse))?,
        id: fields.required(&known::GROUP_ID, number)?,
        number: optional_number(fields, &known::NUMBER)?,
    })
}

fn read_record(item: Value<'_>) -> Result<RestoredRecord, Fault> {
    let fields = item.fields()?.described(known::RECORD);
    let groups: Option<Vec<GroupId>> = fields.optional(&known::CONTACT_GROUP_ID, |ids| ids.each(number))?;
    Ok(RestoredRecord {
        conversation: read_contact(item)?,
        mark: fields
            .optional(&known::STANDARD_MARK, |value| parsed(value, StandardMark::parse))?
            .unwrap_or_default(),
        custom: fields.optional(&known::CUSTOM_MARK, |value| parsed(value, CustomMark::parse))?.flatten(),
        groups: groups.unwrap_or_default(),
        timestamp: fields.required(&known::TIMESTAMP, seconds)?,
        number: optional_number(fields, &known::NUMBER)?,
    })
}
