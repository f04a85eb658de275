//! Rows and statements, for reader and writer alike.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension, Row, params, types::Value};

use crate::{
    domain::{
        Account, AppId, ChangeNumber, ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupLife, ChatGroupProfile,
        Conversation, JoinOption, Organizer, Owner, Presence, UserId,
    },
    excerpt::quoted,
    store::{
        ChatGroupPage, ChatGroupQuery, Scope, StoreError,
        document::{Edit, Stored, decode_members, encode_members},
    },
};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::Failed(error.to_string())
    }
}

pub(super) fn organizer(db: &Connection, owner: &Owner) -> Result<Stored, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT chunk, doc FROM organizer WHERE app_id = ?1 AND user_id = ?2")?;
    let rows = statement
        .query_map(params![owner.app.number(), owner.user.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(u32, Vec<u8>)>, _>>()?;
    Stored::decode(&rows).map_err(|reason| StoreError::Damaged {
        what: format!("user {} of app {}", quoted(owner.user.as_str()), owner.app),
        reason,
    })
}

pub(super) fn write_organizer(db: &Connection, owner: &Owner, edits: &[Edit]) -> Result<(), StoreError> {
    let mut delete =
        db.prepare_cached("DELETE FROM organizer WHERE app_id = ?1 AND user_id = ?2 AND chunk = ?3")?;
    let mut write = db.prepare_cached(
        "INSERT INTO organizer (app_id, user_id, chunk, doc) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET doc = excluded.doc",
    )?;
    let (app, user) = (owner.app.number(), owner.user.as_str());
    for (chunk, doc) in edits {
        match doc {
            Some(doc) => write.execute(params![app, user, chunk, doc])?,
            None => delete.execute(params![app, user, chunk])?,
        };
    }
    Ok(())
}

pub(super) fn account(db: &Connection, owner: &Owner) -> Result<Option<Arc<Account>>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT nick, face_url FROM account WHERE app_id = ?1 AND user_id = ?2")?;
    let account = statement
        .query_row(params![owner.app.number(), owner.user.as_str()], |row| {
            Ok(Arc::new(Account { nick: row.get(0)?, face_url: row.get(1)? }))
        })
        .optional()?;
    Ok(account)
}

pub(super) fn write_account(
    db: &Connection,
    owner: &Owner,
    account: Option<&Account>,
) -> Result<(), StoreError> {
    let (app, user) = (owner.app.number(), owner.user.as_str());
    match account {
        Some(Account { nick, face_url }) => db
            .prepare_cached(
                "INSERT OR REPLACE INTO account (app_id, user_id, nick, face_url) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![app, user, nick, face_url])?,
        None => db
            .prepare_cached("DELETE FROM account WHERE app_id = ?1 AND user_id = ?2")?
            .execute(params![app, user])?,
    };
    Ok(())
}

/// Which of these users have an account: one query for all.
pub(super) fn imported<'a>(
    db: &Connection,
    app: AppId,
    users: impl Iterator<Item = &'a UserId>,
) -> Result<HashSet<String>, StoreError> {
    let Some(users) = list(users.map(UserId::as_str)) else { return Ok(HashSet::new()) };
    let mut statement =
        db.prepare_cached("SELECT user_id FROM account WHERE app_id = ?1 AND user_id IN rarray(?2)")?;
    let found = statement.query_map(params![app.number(), users], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Where these chat groups stand in their lives: one query for all.
pub(super) fn lives<'a>(
    db: &Connection,
    app: AppId,
    ids: impl Iterator<Item = &'a ChatGroupId>,
) -> Result<HashMap<String, ChatGroupLife>, StoreError> {
    let Some(ids) = list(ids.map(ChatGroupId::as_str)) else { return Ok(HashMap::new()) };
    let mut statement = db.prepare_cached(
        "SELECT group_id, incarnation, kind IS NOT NULL FROM chat_group
         WHERE app_id = ?1 AND group_id IN rarray(?2)",
    )?;
    let found = statement.query_map(params![app.number(), ids], |row| {
        Ok((row.get(0)?, ChatGroupLife { incarnation: row.get(1)?, alive: row.get(2)? }))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The records of an organizer whose chat groups have moved on.
pub(super) fn dead(
    db: &Connection,
    app: AppId,
    organizer: &Organizer,
) -> Result<Vec<ChangeNumber>, StoreError> {
    let ids = organizer.records().iter().filter_map(|record| record.conversation.chat_group());
    let lives = lives(db, app, ids)?;
    Ok(organizer.dead(|id| lives.get(id.as_str()).map_or(0, |life| life.incarnation)))
}

/// What the directory says about these conversations, in two queries at most.
pub(super) fn presences(
    db: &Connection,
    app: AppId,
    named: Vec<Conversation>,
) -> Result<HashMap<Conversation, Presence>, StoreError> {
    let imported = imported(
        db,
        app,
        named.iter().filter_map(|conversation| match conversation {
            Conversation::User(user) => Some(user),
            Conversation::ChatGroup(_) => None,
        }),
    )?;
    let lives = lives(db, app, named.iter().filter_map(Conversation::chat_group))?;
    Ok((named.into_iter())
        .map(|conversation| {
            let presence = match &conversation {
                Conversation::User(user) => Presence::User { imported: imported.contains(user.as_str()) },
                Conversation::ChatGroup(id) => Presence::ChatGroup(lives.get(id.as_str()).copied()),
            };
            (conversation, presence)
        })
        .collect())
}

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
        .optional()?;
    let Some((incarnation, profile)) = row else { return Ok(None) };
    let profile = profile.transpose().map_err(|reason| StoreError::Damaged {
        what: format!("chat group {} of app {app}", quoted(id.as_str())),
        reason,
    })?;
    Ok(Some(ChatGroup { incarnation, profile }))
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

pub(super) fn write_chat_group(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    group: &ChatGroup,
) -> Result<(), StoreError> {
    let (app, id) = (app.number(), id.as_str());
    let profile = group.profile.as_ref();
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
        profile.map(|profile| encode_members(&profile.members)),
    ])?;
    Ok(())
}

/// Tells the app that a chat group was disbanded.
pub(super) fn write_disbanding(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    incarnation: u32,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO app_event (app_id, seq, kind, group_id, incarnation)
         SELECT ?1, coalesce(max(seq), 0) + 1, 1, ?2, ?3 FROM app_event WHERE app_id = ?1",
    )?
    .execute(params![app.number(), id.as_str(), incarnation])?;
    Ok(())
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
                what: format!("chat group {}", quoted(&id)),
                reason: reason.to_string(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(ChatGroupPage { ids, next, total: usize::try_from(total).unwrap_or(0) })
}

/// Deletes a part of what is kept. A store that is emptied is another from then on (decision 21).
pub(super) fn forget(db: &Connection, scope: &Scope) -> Result<(), StoreError> {
    let tables: &[&str] = match scope {
        Scope::Owner(_) => &["organizer", "account"],
        _ => &["organizer", "account", "chat_group", "app_event"],
    };
    for table in tables {
        match scope {
            Scope::All => db.execute(&format!("DELETE FROM {table}"), [])?,
            Scope::App(app) => {
                db.execute(&format!("DELETE FROM {table} WHERE app_id = ?1"), [app.number()])?
            }
            Scope::Owner(owner) => db.execute(
                &format!("DELETE FROM {table} WHERE app_id = ?1 AND user_id = ?2"),
                params![owner.app.number(), owner.user.as_str()],
            )?,
        };
    }
    if *scope == Scope::All {
        db.execute("UPDATE store SET incarnation = lower(hex(randomblob(8)))", [])?;
    }
    Ok(())
}

fn place<T: PartialEq + Copy>(list: &[T], item: T) -> Option<u8> {
    list.iter().position(|other| *other == item).and_then(|place| u8::try_from(place).ok())
}

/// A list of texts as a statement's parameter; `None` when it is empty.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Rc<Vec<Value>>> {
    let values: Vec<Value> = texts.map(|text| Value::from(text.to_owned())).collect();
    (!values.is_empty()).then(|| Rc::new(values))
}
