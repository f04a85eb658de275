//! The rows of chat groups, and lists of chat groups. Members have their own table, see `members.rs`.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use rusqlite::{Connection, Row, params, types::Value};

use super::{
    directory::list,
    error::attribute_damage,
    events::{signed, unsigned},
    members, sums,
};
use crate::{
    domain::{
        AppId, ChatGroup, ChatGroupChange, ChatGroupDelta, ChatGroupId, ChatGroupKind, ChatGroupLife,
        ChatGroupProfile, InviteOption, JoinOption, Member, Moment, ProfileDetails, UnixSeconds, UserId,
        WantedMembers,
    },
    store::{
        ChatGroupPage, ChatGroupQuery, ChatGroupState, Damaged, StoreError, checksum::Column,
        document::decode_members,
    },
};

/// The row of a chat group.
pub(super) struct ChatGroupRow {
    pub(super) group: ChatGroup,
    /// The last place in the list of members that was assigned. Places are not reused, so that the order stays correct.
    pub(super) places: i64,
    /// The number of the chat group's last disbanding.
    pub(super) disbanding: i64,
    /// The members, if the row still has the form of format 2 because it could not be upgraded.
    packed_members: Option<Vec<Member>>,
}

/// The columns to read. Those before `sum`, and the key, are covered by the checksum.
const COLUMNS: &str = "incarnation, kind, name, owner, introduction, notification, face_url, max_members,
    join_option, created_at, member_count, places, disbanding, began, changed_at, mute_all, invite, owner_at, owner_ms,
    owner_card, joined, sum, members, group_id";
/// The number of columns before `sum`.
const SUMMED: usize = 21;

impl ChatGroupRow {
    /// Reads a row of [`COLUMNS`].
    ///
    /// # Errors
    /// Returns [`StoreError::Damaged`], which does not name the chat group.
    fn read(app: AppId, id: &ChatGroupId, row: &Row<'_>) -> Result<ChatGroupRow, StoreError> {
        sums::check("chat_group", key(app, id.as_str()), row, SUMMED)?;
        let damaged = |reason| StoreError::Damaged { what: Damaged::Database, reason };
        let packed_members = match row.get::<_, Option<Vec<u8>>>(22)? {
            Some(packed) => {
                let mut users = HashSet::new();
                let members = decode_members(&packed).map_err(damaged)?;
                Some(
                    members
                        .into_iter()
                        .filter(|member| users.insert(member.user.clone()))
                        .collect::<Vec<_>>(),
                )
            }
            None => None,
        };
        let profile = row.get::<_, Option<u8>>(1)?.map(|kind| profile(row, kind)).transpose()?;
        let listed = match &packed_members {
            Some(members) => members.len(),
            None => row.get::<_, u32>(10)? as usize,
        };
        let moment = |column| {
            row.get::<_, Option<i64>>(column).map(|number| Moment::of_number(number.map_or(0, unsigned)))
        };
        let (began, joined) = (moment(13)?, moment(20)?);
        let group = ChatGroup { incarnation: row.get(0)?, profile, listed, began, joined };
        let (places, disbanding) = (row.get(11)?, row.get(12)?);
        Ok(ChatGroupRow { group, places, disbanding, packed_members })
    }

    /// Returns the wanted members, in the order in which they joined.
    pub(super) fn members(
        &self,
        db: &Connection,
        app: AppId,
        id: &ChatGroupId,
        wanted: &WantedMembers,
    ) -> Result<Vec<Member>, StoreError> {
        match (&self.packed_members, wanted) {
            _ if self.group.listed == 0 => Ok(Vec::new()),
            (None, wanted) => {
                let members = members::read(db, app, id, wanted)?;
                let (listed, stored) = (self.group.listed, members.len());
                match *wanted == WantedMembers::All && listed != stored {
                    true => Err(StoreError::Damaged {
                        what: Damaged::Database,
                        reason: format!(
                            "the chat group has {listed} members, and {stored} of them are stored"
                        ),
                    }),
                    false => Ok(members),
                }
            }
            (Some(packed), WantedMembers::All) => Ok(packed.clone()),
            (Some(packed), WantedMembers::Named(users)) => {
                Ok(packed.iter().filter(|member| users.contains(&member.user)).cloned().collect())
            }
        }
    }
}

fn profile(row: &Row<'_>, kind: u8) -> Result<ChatGroupProfile, StoreError> {
    let damaged = |reason| StoreError::Damaged { what: Damaged::Database, reason };
    let owner: Option<String> = row.get(3)?;
    let owner = owner.map(|owner| UserId::parse(&owner)).transpose();
    let join_option: u8 = row.get(8)?;
    Ok(ChatGroupProfile {
        kind: (ChatGroupKind::ALL.get(usize::from(kind)).copied())
            .ok_or_else(|| damaged(format!("unknown kind {kind}")))?,
        name: row.get(2)?,
        owner: owner.map_err(|reason| damaged(reason.to_string()))?,
        introduction: row.get(4)?,
        notification: row.get(5)?,
        face_url: row.get(6)?,
        max_members: row.get(7)?,
        join_option: (JoinOption::ALL.get(usize::from(join_option)).copied())
            .ok_or_else(|| damaged(format!("unknown join option {join_option}")))?,
        created_at: row.get::<_, i64>(9)?.try_into().unwrap_or(0),
        details: details(row)?,
    })
}

/// Reads the details of a profile. Columns are NULL if they have their default value.
fn details(row: &Row<'_>) -> Result<ProfileDetails, StoreError> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map_or(0, unsigned));
    let invite = usize::from(row.get::<_, Option<u8>>(16)?.unwrap_or(0));
    let invite_option = InviteOption::ALL.get(invite).copied();
    Ok(ProfileDetails {
        changed_at: time(14)?,
        mute_all: row.get::<_, Option<bool>>(15)?.unwrap_or(false),
        invite_option: invite_option.ok_or_else(|| StoreError::Damaged {
            what: Damaged::Database,
            reason: format!("unknown invite option {invite}"),
        })?,
        owner_joined_at: time(17)?,
        owner: members::details(row, 18)?,
    })
}

/// Reads the row of a chat group.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the chat group.
pub(super) fn row(db: &Connection, app: AppId, id: &ChatGroupId) -> Result<Option<ChatGroupRow>, StoreError> {
    let read = || -> Result<_, StoreError> {
        let mut statement = db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM chat_group WHERE app_id = ?1 AND group_id = ?2"
        ))?;
        let mut rows = statement.query(params![app.number(), id.as_str()])?;
        rows.next()?.map(|row| ChatGroupRow::read(app, id, row)).transpose()
    };
    attribute_damage(|| Damaged::ChatGroup(app, id.clone()), read())
}

/// Reads the lives of these chat groups with one query.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which does not name the chat group.
pub(super) fn lives<'a>(
    db: &Connection,
    app: AppId,
    ids: impl Iterator<Item = &'a ChatGroupId>,
) -> Result<HashMap<String, ChatGroupLife>, StoreError> {
    let Some(ids) = list(ids.map(ChatGroupId::as_str)) else { return Ok(HashMap::new()) };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM chat_group WHERE app_id = ?1 AND group_id IN rarray(?2)"
    ))?;
    let mut rows = statement.query(params![app.number(), ids])?;
    let mut lives = HashMap::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(23)?;
        sums::check("chat_group", key(app, &id), row, SUMMED)?;
        let alive = row.get::<_, Option<u8>>(1)?.is_some();
        lives.insert(id, ChatGroupLife { incarnation: row.get(0)?, alive });
    }
    match ids.iter().filter(|id| matches!(id, Value::Text(id) if lives.contains_key(id))).count()
        >= lives.len()
    {
        true => Ok(lives),
        // An index entry points to the row of another chat group.
        false => Err(StoreError::Damaged {
            what: Damaged::Database,
            reason: "the index of chat groups leads to a wrong row".to_owned(),
        }),
    }
}

/// Reads a chat group with the wanted members.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the chat group.
pub(super) fn loaded(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    wanted: &WantedMembers,
) -> Result<Option<ChatGroupState>, StoreError> {
    let Some(row) = row(db, app, id)? else { return Ok(None) };
    let members = attribute_damage(|| Damaged::ChatGroup(app, id.clone()), row.members(db, app, id, wanted))?;
    Ok(Some(ChatGroupState { group: row.group, members }))
}

/// Writes the row of a chat group, and changes its members as the deltas say. Returns the approximate number of bytes
/// written to the table of members.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn write(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    old: Option<ChatGroupRow>,
    change: &ChatGroupChange,
    disbanding: Option<i64>,
    now: UnixSeconds,
) -> Result<usize, StoreError> {
    let (mut places, last, packed) = match old {
        Some(row) => (row.places, row.disbanding, row.packed_members),
        None => (0, 0, None),
    };
    let unpacked = packed.into_iter().flatten().map(ChatGroupDelta::Joined);
    let bytes = members::write(db, app, id, &mut places, unpacked.chain(change.deltas.iter().cloned()), now)?;
    let ChatGroup { incarnation, profile, listed, began, joined } = &change.next;
    let profile = profile.as_ref();
    let details = profile.map(|profile| &profile.details);
    let time = |time: u64| (time != 0).then(|| signed(time));
    db.prepare_cached(
        "INSERT INTO chat_group (app_id, group_id, incarnation, kind, name, owner, introduction, notification,
            face_url, max_members, join_option, created_at, member_count, places, disbanding, began, changed_at, mute_all,
            invite, owner_at, owner_ms, owner_card, joined, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
            row_sum('chat_group', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                ?21, ?22, ?23))
         ON CONFLICT (app_id, group_id) DO UPDATE SET incarnation = excluded.incarnation, kind = excluded.kind,
            name = excluded.name, owner = excluded.owner, introduction = excluded.introduction,
            notification = excluded.notification, face_url = excluded.face_url, max_members = excluded.max_members,
            join_option = excluded.join_option, created_at = excluded.created_at,
            member_count = excluded.member_count, places = excluded.places, disbanding = excluded.disbanding,
            began = excluded.began, changed_at = excluded.changed_at, mute_all = excluded.mute_all,
            invite = excluded.invite, owner_at = excluded.owner_at, owner_ms = excluded.owner_ms,
            owner_card = excluded.owner_card, joined = excluded.joined, sum = excluded.sum, members = NULL",
    )?
    .execute(params![
        app.number(),
        id.as_str(),
        incarnation,
        profile.and_then(|profile| place(ChatGroupKind::ALL, profile.kind)),
        profile.map(|profile| &profile.name),
        profile.and_then(|profile| profile.owner.as_ref()).map(UserId::as_str),
        profile.map(|profile| &profile.introduction),
        profile.map(|profile| &profile.notification),
        profile.map(|profile| &profile.face_url),
        profile.map(|profile| profile.max_members),
        profile.and_then(|profile| place(JoinOption::ALL, profile.join_option)),
        profile.map(|profile| i64::try_from(profile.created_at).unwrap_or(i64::MAX)),
        u32::try_from(*listed).unwrap_or(u32::MAX),
        places,
        disbanding.unwrap_or(last),
        time(began.number()),
        details.and_then(|details| time(details.changed_at)),
        details.and_then(|details| details.mute_all.then_some(true)),
        details.and_then(|details| place(InviteOption::ALL, details.invite_option)).filter(|place| *place != 0),
        details.and_then(|details| time(details.owner_joined_at)),
        details.and_then(|details| members::millis(&details.owner)),
        details.and_then(|details| members::card(&details.owner)),
        time(joined.number()),
    ])?;
    Ok(bytes)
}

/// Returns the key of a chat group's row, for its checksum.
fn key(app: AppId, id: &str) -> [Column<'_>; 2] {
    [Column::Number(app.number().into()), Column::Text(id.as_bytes())]
}

/// Returns one page of the existing chat groups of an app.
pub(super) fn list_chat_groups(
    db: &Connection,
    app: AppId,
    query: ChatGroupQuery,
) -> Result<ChatGroupPage, StoreError> {
    // Some kinds have an older and a newer name; include all names of the requested kind. Without a kind, include all
    // kinds.
    let kinds = query.kind.map_or(ChatGroupKind::ALL, ChatGroupKind::aliases);
    let kinds: Vec<Value> = kinds
        .iter()
        .filter_map(|kind| place(ChatGroupKind::ALL, *kind))
        .map(|kind| Value::from(i64::from(kind)))
        .collect();
    let kinds = Rc::new(kinds);
    let total = db
        .prepare_cached(
            "SELECT count(*) FROM chat_group WHERE app_id = ?1 AND kind IS NOT NULL AND kind IN rarray(?2)",
        )?
        .query_row(params![app.number(), kinds], |row| row.get::<_, i64>(0))?;
    // `seq` is the order in which chat groups were first stored. It never changes.
    let mut statement = db.prepare_cached(
        "SELECT seq, group_id FROM chat_group
         WHERE app_id = ?1 AND kind IS NOT NULL AND kind IN rarray(?2) AND seq >= ?3
         ORDER BY seq LIMIT ?4",
    )?;
    let from = i64::try_from(query.from).unwrap_or(i64::MAX);
    let limit = i64::try_from(query.limit + 1).unwrap_or(i64::MAX);
    let mut rows = statement
        .query_map(params![app.number(), kinds, from, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, String)>, _>>()?;
    let next = match rows.len() > query.limit {
        true => rows.pop().map(|(seq, _)| u64::try_from(seq).unwrap_or(0)),
        false => None,
    };
    let ids = (rows.into_iter())
        .map(|(_, id)| {
            ChatGroupId::parse(&id).map_err(|reason| StoreError::Damaged {
                what: Damaged::Directory(app),
                reason: reason.to_string(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(ChatGroupPage { ids, next, total: usize::try_from(total).unwrap_or(0) })
}

fn place<T: PartialEq + Copy>(list: &[T], item: T) -> Option<u8> {
    list.iter().position(|other| *other == item).and_then(|place| u8::try_from(place).ok())
}
