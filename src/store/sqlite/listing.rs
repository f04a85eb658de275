//! Everything that is kept, some of it at a time: for exports.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{chat_groups, rows::Rows};
use crate::{
    domain::{AppId, ChatGroup, ChatGroupId, Owner, UserId},
    store::{Damaged, Loaded, StoreError},
};

/// Rows looked at for one page.
const PAGE: u32 = 256;
/// Records or members after which a page ends, so that a page of heavy owners stays small: some 2 MiB of text.
const WEIGHT: usize = 1_500;

pub(super) fn apps(db: &Connection) -> Result<Vec<AppId>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT app_id FROM account UNION SELECT app_id FROM organizer UNION SELECT app_id FROM account_aside
         UNION SELECT app_id FROM chat_group ORDER BY app_id",
    )?;
    let numbers = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<u32>, _>>()?;
    Ok(numbers.into_iter().filter_map(AppId::new).collect())
}

pub(super) fn owners(
    rows: Rows<'_>,
    app: AppId,
    after: Option<&UserId>,
) -> Result<Vec<(UserId, Loaded)>, StoreError> {
    let mut statement = rows.db.prepare_cached(
        "SELECT user_id FROM account WHERE app_id = ?1 AND user_id > ?2
         UNION SELECT user_id FROM organizer WHERE app_id = ?1 AND user_id > ?2
         UNION SELECT user_id FROM account_aside WHERE app_id = ?1 AND user_id > ?2
         ORDER BY user_id LIMIT ?3",
    )?;
    let after = after.map_or("", UserId::as_str);
    let users = statement
        .query_map(params![app.number(), after, PAGE], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let mut page = Vec::new();
    let mut weight = 0;
    for user in users {
        let user = UserId::parse(&user).map_err(|reason| StoreError::Damaged {
            what: Damaged::Directory(app),
            reason: reason.to_string(),
        })?;
        let owner = Owner { app, user };
        let (stored, account, dead) = rows.owner_and_learn(&owner)?;
        let organizer = match dead.is_empty() {
            true => stored.organizer,
            false => Arc::new(stored.organizer.living(&dead)),
        };
        weight += organizer.records().len();
        page.push((owner.user, Loaded { account, organizer }));
        if weight > WEIGHT {
            break;
        }
    }
    Ok(page)
}

pub(super) fn chat_groups(
    db: &Connection,
    app: AppId,
    after: u64,
) -> Result<Vec<(u64, ChatGroupId, ChatGroup)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT seq, group_id FROM chat_group WHERE app_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let found = statement
        .query_map(params![app.number(), after, PAGE], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, String)>, _>>()?;
    let mut page = Vec::new();
    let mut weight = 0;
    for (seq, id) in found {
        let id = ChatGroupId::parse(&id).map_err(|reason| StoreError::Damaged {
            what: Damaged::Directory(app),
            reason: reason.to_string(),
        })?;
        let Some(group) = chat_groups::chat_group(db, app, &id)? else { continue };
        weight += group.profile.as_ref().map_or(0, |profile| profile.members.len());
        page.push((u64::try_from(seq).unwrap_or(0), id, group));
        if weight > WEIGHT {
            break;
        }
    }
    Ok(page)
}
