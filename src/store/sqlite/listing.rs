//! Lists all stored data, part by part. Exports use it.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{chat_groups, rows::Rows};
use crate::{
    domain::{AppId, ChatGroupId, Owner, OwnerState, UserId, WantedMembers},
    store::{ChatGroupState, Cursor, Damaged, Part, StoreError, cache::Snapshot},
};

/// The maximum number of rows in one part.
const PAGE: u32 = 256;
/// The number of records or members after which a part ends, so that a part with large owners stays small: about 2
/// MiB of text.
const WEIGHT: usize = 1_500;
/// The bytes of a profile that count as one record.
const RECORD: usize = 1_024;

pub(super) fn apps(db: &Connection) -> Result<Vec<AppId>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT app_id FROM account UNION SELECT app_id FROM organizer UNION SELECT app_id FROM account_aside
         UNION SELECT app_id FROM chat_group UNION SELECT app_id FROM session ORDER BY app_id",
    )?;
    let numbers = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<u32>, _>>()?;
    Ok(numbers.into_iter().filter_map(AppId::new).collect())
}

/// Returns the next owners of an app, sorted by user id.
pub(super) fn owners(
    rows: Rows<'_>,
    app: AppId,
    from: Option<&Cursor>,
) -> Result<Part<(UserId, OwnerState)>, StoreError> {
    let mut statement = rows.db.prepare_cached(
        "SELECT user_id FROM account WHERE app_id = ?1 AND user_id > ?2
         UNION SELECT user_id FROM organizer WHERE app_id = ?1 AND user_id > ?2
         UNION SELECT user_id FROM account_aside WHERE app_id = ?1 AND user_id > ?2
         ORDER BY user_id LIMIT ?3",
    )?;
    // The cursor is the last user of the previous part.
    let after = from.map_or("", |Cursor(user)| user);
    let users = statement
        .query_map(params![app.number(), after, PAGE], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let (mut items, mut next, mut weight) = (Vec::new(), None, 0);
    for text in users {
        let user = UserId::parse(&text).map_err(|reason| StoreError::Damaged {
            what: Damaged::Directory(app),
            reason: reason.to_string(),
        })?;
        let owner = Owner { app, user };
        let Snapshot { account, stored, dead, .. } = rows.owner_noting_damage(&owner)?;
        let organizer = match dead.is_empty() {
            true => Arc::clone(&stored.organizer),
            false => Arc::new(stored.organizer.living(&dead)),
        };
        weight += organizer.records().len();
        weight += account.as_ref().map_or(0, |account| account.profile.bytes() / RECORD);
        items.push((owner.user, OwnerState { account, organizer }));
        next = Some(Cursor(text));
        if weight > WEIGHT {
            break;
        }
    }
    Ok(Part { items, next })
}

/// Returns the next chat groups of an app, in the order in which they were first stored.
pub(super) fn chat_groups(
    db: &Connection,
    app: AppId,
    from: Option<&Cursor>,
) -> Result<Part<(ChatGroupId, ChatGroupState)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT seq, group_id FROM chat_group WHERE app_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    // The cursor is the `seq` of the last chat group of the previous part.
    let after = from.map_or(0, |Cursor(place)| place.parse().unwrap_or(i64::MAX));
    let found = statement
        .query_map(params![app.number(), after, PAGE], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, String)>, _>>()?;
    let (mut items, mut next, mut weight) = (Vec::new(), None, 0);
    for (seq, id) in found {
        let id = ChatGroupId::parse(&id).map_err(|reason| StoreError::Damaged {
            what: Damaged::Directory(app),
            reason: reason.to_string(),
        })?;
        next = Some(Cursor(seq.to_string()));
        let Some(group) = chat_groups::loaded(db, app, &id, &WantedMembers::All)? else { continue };
        weight += group.members.len();
        items.push((id, group));
        if weight > WEIGHT {
            break;
        }
    }
    Ok(Part { items, next })
}
