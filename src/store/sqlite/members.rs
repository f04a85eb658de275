//! The members of chat groups. Each has a row of its own, so that adding one to a chat group of 6,000 writes only one
//! row.

use rusqlite::{Connection, Row, params};

use super::{batch::PAGE, directory::list, sums};
use crate::{
    domain::{AppId, ChatGroupDelta, ChatGroupId, Member, UserId, WantedMembers},
    store::{Damaged, StoreError, checksum::Column},
};

/// Reads the wanted members of a chat group, in the order in which they joined.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which does not name the chat group.
pub(super) fn read(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    wanted: &WantedMembers,
) -> Result<Vec<Member>, StoreError> {
    const COLUMNS: &str = "SELECT user_id, place, admin, joined_at, sum FROM chat_group_member
         WHERE app_id = ?1 AND group_id = ?2";
    let read = |row: &Row<'_>| -> Result<Member, StoreError> {
        let key = [Column::Number(app.number().into()), Column::Text(id.as_str().as_bytes())];
        sums::check("chat_group_member", key, row, 4)?;
        let user = UserId::parse(&row.get::<_, String>(0)?)
            .map_err(|reason| StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() })?;
        Ok(Member { user, admin: row.get(2)?, joined_at: row.get::<_, i64>(3)?.try_into().unwrap_or(0) })
    };
    let mut members = Vec::new();
    match wanted {
        WantedMembers::All => {
            let mut statement = db.prepare_cached(&format!("{COLUMNS} ORDER BY place"))?;
            let mut rows = statement.query(params![app.number(), id.as_str()])?;
            while let Some(row) = rows.next()? {
                members.push(read(row)?);
            }
        }
        WantedMembers::Named(users) => {
            let Some(users) = list(users.iter().map(UserId::as_str)) else { return Ok(members) };
            let mut statement =
                db.prepare_cached(&format!("{COLUMNS} AND user_id IN rarray(?3) ORDER BY place"))?;
            let mut rows = statement.query(params![app.number(), id.as_str(), users])?;
            while let Some(row) = rows.next()? {
                members.push(read(row)?);
            }
        }
    }
    Ok(members)
}

/// Changes the members as the deltas say. New members get the places after `places`, which is increased. Returns the
/// approximate number of bytes written.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn write(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    places: &mut i64,
    deltas: impl Iterator<Item = ChatGroupDelta>,
) -> Result<usize, StoreError> {
    let (app, id) = (app.number(), id.as_str());
    let mut bytes = 0;
    for delta in deltas {
        match delta {
            ChatGroupDelta::Joined(Member { user, admin, joined_at }) => {
                *places += 1;
                let joined_at = i64::try_from(joined_at).unwrap_or(i64::MAX);
                db.prepare_cached(
                    "INSERT INTO chat_group_member (app_id, group_id, user_id, place, admin, joined_at, sum)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_sum('chat_group_member', ?1, ?2, ?3, ?4, ?5, ?6))",
                )?
                .execute(params![app, id, user.as_str(), *places, admin, joined_at])?;
                bytes += ROW;
            }
            ChatGroupDelta::Left(user) => {
                db.prepare_cached(
                    "DELETE FROM chat_group_member WHERE app_id = ?1 AND group_id = ?2 AND user_id = ?3",
                )?
                .execute(params![app, id, user.as_str()])?;
                bytes += ROW;
            }
            ChatGroupDelta::AllLeft => {
                let left = db
                    .prepare_cached("DELETE FROM chat_group_member WHERE app_id = ?1 AND group_id = ?2")?
                    .execute(params![app, id])?;
                bytes += ROW * left;
            }
            ChatGroupDelta::Profiled { .. }
            | ChatGroupDelta::Destroyed(_)
            | ChatGroupDelta::Reincarnated(_) => {}
        }
    }
    // The rows of one chat group are next to each other, so count one page besides the rows themselves.
    Ok(if bytes == 0 { 0 } else { PAGE + bytes })
}

/// The approximate size of one row, in bytes.
const ROW: usize = 96;
