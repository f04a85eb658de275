//! The members of chat groups. Each has a row of its own, so that adding one to a chat group of 6,000 writes only one
//! row.

use rusqlite::{Connection, Row, params};

use super::{
    batch::PAGE,
    directory::list,
    events::{signed, unsigned},
    sums,
};
use crate::{
    domain::{
        AppId, ChatGroupDelta, ChatGroupId, EXIT_SECONDS, Member, MemberDetails, UnixSeconds, UserId,
        WantedMembers,
    },
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
    const COLUMNS: &str = "SELECT user_id, place, admin, joined_at, ms, card, sum FROM chat_group_member
         WHERE app_id = ?1 AND group_id = ?2";
    let read = |row: &Row<'_>| -> Result<Member, StoreError> {
        let key = [Column::Number(app.number().into()), Column::Text(id.as_str().as_bytes())];
        sums::check("chat_group_member", key, row, 6)?;
        let user = UserId::parse(&row.get::<_, String>(0)?)
            .map_err(|reason| StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() })?;
        let joined_at = row.get::<_, i64>(3)?.try_into().unwrap_or(0);
        Ok(Member { user, admin: row.get(2)?, joined_at, details: details(row, 4)? })
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
    now: UnixSeconds,
) -> Result<usize, StoreError> {
    let (app, id) = (app.number(), id.as_str());
    let mut bytes = 0;
    for delta in deltas {
        match delta {
            ChatGroupDelta::Joined(Member { user, admin, joined_at, details }) => {
                *places += 1;
                db.prepare_cached(
                    "INSERT INTO chat_group_member (app_id, group_id, user_id, place, admin, joined_at, ms, card, sum)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
                        row_sum('chat_group_member', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8))",
                )?
                .execute(params![
                    app,
                    id,
                    user.as_str(),
                    *places,
                    admin,
                    signed(joined_at),
                    millis(&details),
                    card(&details)
                ])?;
                bytes += ROW + details.name_card.len();
            }
            ChatGroupDelta::Amended(Member { user, admin, joined_at, details }) => {
                db.prepare_cached(
                    "UPDATE chat_group_member SET admin = ?4, joined_at = ?5, ms = ?6, card = ?7,
                        sum = row_sum('chat_group_member', ?1, ?2, ?3, place, ?4, ?5, ?6, ?7)
                     WHERE app_id = ?1 AND group_id = ?2 AND user_id = ?3",
                )?
                .execute(params![
                    app,
                    id,
                    user.as_str(),
                    admin,
                    signed(joined_at),
                    millis(&details),
                    card(&details)
                ])?;
                bytes += ROW + details.name_card.len();
            }
            ChatGroupDelta::ExitNoted(user, at) => {
                db.prepare_cached(
                    "INSERT OR REPLACE INTO chat_group_exit (app_id, group_id, user_id, at, sum)
                     VALUES (?1, ?2, ?3, ?4, row_sum('chat_group_exit', ?1, ?2, ?3, ?4))",
                )?
                .execute(params![app, id, user.as_str(), signed(at)])?;
                let old = signed(now.saturating_sub(EXIT_SECONDS).saturating_mul(1_000));
                bytes += ROW * (1 + forget_exits(db, app, id, old)?);
            }
            ChatGroupDelta::Began(moment) => {
                bytes += ROW * forget_exits(db, app, id, signed(moment.at()))?;
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
            ChatGroupDelta::JoinNoted(_)
            | ChatGroupDelta::Profiled { .. }
            | ChatGroupDelta::Destroyed(_)
            | ChatGroupDelta::Reincarnated(_) => {}
        }
    }
    // The rows of one chat group are next to each other, so count one page besides the rows themselves.
    Ok(if bytes == 0 { 0 } else { PAGE + bytes })
}

/// Deletes when users left before a time, in milliseconds. Returns the number of rows.
fn forget_exits(db: &Connection, app: u32, id: &str, before: i64) -> rusqlite::Result<usize> {
    db.prepare_cached("DELETE FROM chat_group_exit WHERE app_id = ?1 AND group_id = ?2 AND at < ?3")?
        .execute(params![app, id, before])
}

/// Reads when these users left a chat group, in milliseconds, as far as it is known.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which does not name the chat group.
pub(super) fn exits(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    users: &[&UserId],
) -> Result<Vec<(UserId, u64)>, StoreError> {
    let Some(named) = list(users.iter().map(|user| user.as_str())) else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT user_id, at, sum FROM chat_group_exit WHERE app_id = ?1 AND group_id = ?2 AND user_id IN rarray(?3)",
    )?;
    let mut rows = statement.query(params![app.number(), id.as_str(), named])?;
    let mut exits = Vec::new();
    while let Some(row) = rows.next()? {
        let key = [Column::Number(app.number().into()), Column::Text(id.as_str().as_bytes())];
        sums::check("chat_group_exit", key, row, 2)?;
        let user = UserId::parse(&row.get::<_, String>(0)?)
            .map_err(|reason| StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() })?;
        exits.push((user, unsigned(row.get(1)?)));
    }
    Ok(exits)
}

/// Reads the details of a membership from the columns from `first` on. They are NULL if they have their default value.
pub(super) fn details(row: &Row<'_>, first: usize) -> rusqlite::Result<MemberDetails> {
    Ok(MemberDetails {
        millis: row.get::<_, Option<u16>>(first)?.unwrap_or(0),
        name_card: row.get::<_, Option<String>>(first + 1)?.unwrap_or_default(),
    })
}

/// Returns the column for the milliseconds of joining.
pub(super) fn millis(details: &MemberDetails) -> Option<u16> {
    (details.millis != 0).then_some(details.millis)
}

/// Returns the column for the name of a member.
pub(super) fn card(details: &MemberDetails) -> Option<&str> {
    (!details.name_card.is_empty()).then_some(&details.name_card)
}

/// The approximate size of one row, in bytes.
const ROW: usize = 96;
