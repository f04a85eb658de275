//! What places of owners and cursors of feeds are compared with: the current point, and the counters of an app.

use rusqlite::{Connection, params};

use super::{
    error::attribute_damage,
    events::{signed, unsigned},
    sums,
};
use crate::{
    domain::AppId,
    store::{Damaged, HistoryPoint, StoreError, checksum::Column, place::Lives},
};

/// Reads what cursors and places of an app are compared with at this point.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the app's directory.
pub(super) fn lives(db: &Connection, app: AppId, now: HistoryPoint) -> Result<Lives, StoreError> {
    let (disbandings, epoch) = counters(db, app)?;
    Ok(Lives { now, epoch, disbandings })
}

/// Reads the number of an app's last disbanding, and the number of resets in the app.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the app's directory.
pub(super) fn counters(db: &Connection, app: AppId) -> Result<(u64, u32), StoreError> {
    let read = || {
        let mut statement = db.prepare_cached("SELECT disbandings, epoch, sum FROM app WHERE app_id = ?1")?;
        let mut rows = statement.query([app.number()])?;
        let Some(row) = rows.next()? else { return Ok((0, 0)) };
        sums::check("app", [Column::Number(app.number().into())], row, 2)?;
        Ok((unsigned(row.get(0)?), row.get::<_, Option<u32>>(1)?.unwrap_or(0)))
    };
    attribute_damage(|| Damaged::Directory(app), read())
}

/// Returns the incarnation of the store.
///
/// # Errors
/// Returns [`StoreError::Damaged`] if it cannot be read.
pub(super) fn incarnation(db: &Connection) -> Result<u64, StoreError> {
    let incarnation: String =
        db.prepare_cached("SELECT incarnation FROM store")?.query_row([], |row| row.get(0))?;
    u64::from_str_radix(&incarnation, 16).map_err(|_| StoreError::Damaged {
        what: Damaged::Database,
        reason: "the incarnation of the store is not a number".to_owned(),
    })
}

/// Begins a new life of an app, so that places and cursors from before are recognized.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn raise_epoch(db: &Connection, app: AppId) -> Result<(), StoreError> {
    let (disbandings, epoch) = counters(db, app)?;
    write(db, app, disbandings, epoch.saturating_add(1))
}

/// Writes the counters of an app.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn write(db: &Connection, app: AppId, disbandings: u64, epoch: u32) -> Result<(), StoreError> {
    // Rows of an older format have no epoch.
    let epoch = (epoch != 0).then_some(epoch);
    db.prepare_cached(
        "INSERT INTO app (app_id, disbandings, epoch, sum) VALUES (?1, ?2, ?3, row_sum('app', ?1, ?2, ?3))
         ON CONFLICT DO UPDATE SET disbandings = excluded.disbandings, epoch = excluded.epoch, sum = excluded.sum",
    )?
    .execute(params![app.number(), signed(disbandings), epoch])?;
    Ok(())
}
