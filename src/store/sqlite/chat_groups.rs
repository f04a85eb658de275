//! Rows of chat groups, and the events that record their disbanding.

use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, Row, params, types::Value};

use crate::{
    domain::{
        AppId, ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupProfile, JoinOption, UnixSeconds, UserId,
    },
    store::{
        ChatGroupPage, ChatGroupQuery, Damaged, StoreError,
        document::{decode_members, encode_members},
    },
};

pub(super) fn chat_group(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
) -> Result<Option<ChatGroup>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT incarnation, kind, name, owner, introduction, notification, face_url, max_members,
                join_option, created_at, members
         FROM chat_group WHERE app_id = ?1 AND group_id = ?2",
    )?;
    let row = statement
        .query_row(params![app.number(), id.as_str()], |row| {
            Ok((
                row.get::<_, u32>(0)?,
                row.get::<_, Option<u8>>(1)?.map(|kind| profile(row, kind)).transpose()?,
            ))
        })
        .optional();
    let damaged = |reason| StoreError::Damaged { what: Damaged::ChatGroup(app, id.clone()), reason };
    let row = row.map_err(|error| match StoreError::from(error) {
        StoreError::Damaged { reason, .. } => damaged(reason),
        other => other,
    })?;
    let Some((incarnation, profile)) = row else { return Ok(None) };
    Ok(Some(ChatGroup { incarnation, profile: profile.transpose().map_err(damaged)? }))
}

fn profile(row: &Row<'_>, kind: u8) -> rusqlite::Result<Result<ChatGroupProfile, String>> {
    let owner: Option<String> = row.get(3)?;
    let join_option: u8 = row.get(8)?;
    let profile = ChatGroupProfile {
        kind: match ChatGroupKind::ALL.get(usize::from(kind)) {
            Some(kind) => *kind,
            None => return Ok(Err(format!("unknown kind {kind}"))),
        },
        name: row.get(2)?,
        owner: match owner.map(|owner| UserId::parse(&owner)).transpose() {
            Ok(owner) => owner,
            Err(reason) => return Ok(Err(reason.to_string())),
        },
        introduction: row.get(4)?,
        notification: row.get(5)?,
        face_url: row.get(6)?,
        max_members: row.get(7)?,
        join_option: match JoinOption::ALL.get(usize::from(join_option)) {
            Some(option) => *option,
            None => return Ok(Err(format!("unknown join option {join_option}"))),
        },
        created_at: row.get::<_, i64>(9)?.try_into().unwrap_or(0),
        members: match decode_members(&row.get::<_, Vec<u8>>(10)?) {
            Ok(members) => members,
            Err(reason) => return Ok(Err(reason)),
        },
    };
    Ok(Ok(profile))
}

/// Writes a chat group. Returns roughly how many bytes that takes beside a page.
pub(super) fn write_chat_group(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    group: &ChatGroup,
) -> Result<usize, StoreError> {
    let (app, id) = (app.number(), id.as_str());
    let profile = group.profile.as_ref();
    let members = profile.map(|profile| encode_members(&profile.members));
    let bytes = members.as_ref().map_or(0, Vec::len);
    db.prepare_cached(
        "INSERT INTO chat_group (app_id, group_id, incarnation, kind, name, owner, introduction,
            notification, face_url, max_members, join_option, created_at, members)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (app_id, group_id) DO UPDATE SET incarnation = excluded.incarnation,
            kind = excluded.kind, name = excluded.name, owner = excluded.owner,
            introduction = excluded.introduction, notification = excluded.notification,
            face_url = excluded.face_url, max_members = excluded.max_members,
            join_option = excluded.join_option, created_at = excluded.created_at,
            members = excluded.members",
    )?
    .execute(params![
        app,
        id,
        group.incarnation,
        profile.and_then(|profile| place(ChatGroupKind::ALL, profile.kind)),
        profile.map(|profile| &profile.name),
        profile.and_then(|profile| profile.owner.as_ref()).map(UserId::as_str),
        profile.map(|profile| &profile.introduction),
        profile.map(|profile| &profile.notification),
        profile.map(|profile| &profile.face_url),
        profile.map(|profile| profile.max_members),
        profile.and_then(|profile| place(JoinOption::ALL, profile.join_option)),
        profile.map(|profile| i64::try_from(profile.created_at).unwrap_or(i64::MAX)),
        members,
    ])?;
    Ok(bytes)
}

/// How many disbandings of an app are kept, and for how many seconds.
const EVENTS: i64 = 10_000;
const EVENTS_WITHIN: i64 = 7 * 86_400;
/// How many old ones are looked at for one that is written, so that many of them go in several steps.
const EVENTS_AT_ONCE: i64 = 64;

/// Writes that a chat group was disbanded: the number of the disbanding into its row, one event for the app.
pub(super) fn write_disbanding(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    incarnation: u32,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    let (app, id, now) = (app.number(), id.as_str(), i64::try_from(now).unwrap_or(i64::MAX));
    let number: i64 = db
        .prepare_cached(
            // Above the events that are there, too, in case the page of the counter is an old one.
            "INSERT INTO app (app_id, disbandings)
             VALUES (?1, 1 + (SELECT coalesce(max(seq), 0) FROM app_event WHERE app_id = ?1))
             ON CONFLICT DO UPDATE SET disbandings = max(disbandings + 1, excluded.disbandings)
             RETURNING disbandings",
        )?
        .query_row([app], |row| row.get(0))?;
    db.prepare_cached("UPDATE chat_group SET disbanding = ?3 WHERE app_id = ?1 AND group_id = ?2")?
        .execute(params![app, id, number])?;
    db.prepare_cached(
        "INSERT INTO app_event (app_id, seq, kind, group_id, incarnation, at) VALUES (?1, ?2, 1, ?3, ?4, ?5)",
    )?
    .execute(params![app, number, id, incarnation, now])?;
    trim_events(db, app, number, now)?;
    Ok(())
}

/// Removes the oldest events of an app that are too many or too old, some at a time; how many were removed.
fn trim_events(db: &Connection, app: u32, newest: i64, now: i64) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "DELETE FROM app_event WHERE app_id = ?1 AND (seq <= ?2 OR at < ?3)
             AND seq IN (SELECT seq FROM app_event WHERE app_id = ?1 ORDER BY seq LIMIT ?4)",
    )?
    .execute(params![app, newest - EVENTS, now.saturating_sub(EVENTS_WITHIN), EVENTS_AT_ONCE])
}

/// Removes some old events of every app, also of those in which nothing is disbanded any more; how many were removed.
pub(super) fn trim_all_events(db: &Connection, now: UnixSeconds) -> rusqlite::Result<usize> {
    let mut apps = db.prepare_cached("SELECT app_id, disbandings FROM app")?;
    let apps =
        apps.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<(u32, i64)>, _>>()?;
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    apps.into_iter().map(|(app, newest)| trim_events(db, app, newest, now)).sum()
}

/// One page of the living chat groups of an app.
pub(super) fn list_chat_groups(
    db: &Connection,
    app: AppId,
    query: ChatGroupQuery,
) -> Result<ChatGroupPage, StoreError> {
    // A kind and its other name, or every kind.
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
