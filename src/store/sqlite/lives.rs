//! What places of owners and cursors of feeds are compared with: the current point, and the counters of an app.

use rusqlite::{Connection, params};

use super::{
    error::attribute_damage,
    events::{last, signed, unsigned},
    runs, sums,
};
use crate::{
    domain::AppId,
    store::{Damaged, HistoryPoint, StoreError, checksum::Column, place::Lives},
};

/// Reads what cursors and places of an app are compared with.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the app's directory.
pub(super) fn lives(db: &Connection, app: AppId) -> Result<Lives, StoreError> {
    let now = HistoryPoint { run: runs::current(db)?, event: last_event(db)? };
    let read = || {
        let mut statement = db.prepare_cached("SELECT disbandings, epoch, sum FROM app WHERE app_id = ?1")?;
        let mut rows = statement.query([app.number()])?;
        let Some(row) = rows.next()? else { return Ok(Lives { now, ..Lives::default() }) };
        sums::check("app", [Column::Number(app.number().into())], row, 2)?;
        let epoch = row.get::<_, Option<u32>>(1)?.unwrap_or(0);
        Ok(Lives { now, epoch, disbandings: unsigned(row.get(0)?) })
    };
    attribute_damage(|| Damaged::Directory(app), read())
}

/// Returns the number of the last event. If it cannot be read, this is a number that no store ever reaches, so that what
/// clients get now will not count later.
fn last_event(db: &Connection) -> Result<u64, StoreError> {
    match last(db) {
        Ok(head) => Ok(head.number),
        Err(StoreError::Damaged { .. }) => Ok(u64::MAX),
        Err(error) => Err(error),
    }
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
    let Lives { epoch, disbandings, .. } = lives(db, app)?;
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
