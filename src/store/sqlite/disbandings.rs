//! Events that record the disbandings of an app's chat groups for some time.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::{
    deliveries::delivered_disbandings,
    directory::list,
    events::{signed, unsigned},
    health::Health,
    lives, sums,
};
use crate::{
    domain::{AppId, ChatGroupId, UnixSeconds},
    store::{Damaged, StoreError, checksum::Column},
};

/// The maximum number of events of an app. Older ones are removed even if a webhook has not delivered them yet.
const EVENTS: i64 = 10_000;
/// How many old events are checked at a time, so that removing many of them takes several small transactions.
const EVENTS_AT_ONCE: i64 = 64;

/// Writes an event for the disbanding of a chat group, which uses up the number `event`. Returns the number of the
/// disbanding.
pub(super) fn write_disbanding(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    incarnation: u32,
    now: UnixSeconds,
    event: u64,
) -> Result<i64, StoreError> {
    let (disbandings, epoch) = lives::counters(db, app)?;
    let (of, id, now) = (app, id.as_str(), i64::try_from(now).unwrap_or(i64::MAX));
    let app = app.number();
    // The number has to be above all stored events, even if damage to the counter's page has set it back.
    let last: i64 = db
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM app_event WHERE app_id = ?1")?
        .query_row([app], |row| row.get(0))?;
    let number = signed(disbandings).max(last).saturating_add(1);
    lives::write(db, of, unsigned(number), epoch)?;
    db.prepare_cached(
        "INSERT INTO app_event (app_id, seq, group_id, incarnation, at, kind, event, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, row_sum('app_event', ?1, ?2, ?3, ?4, ?5, 1, ?6))",
    )?
    .execute(params![app, number, id, incarnation, now, signed(event)])?;
    // Events that are too old are removed later. Here, only their number is limited.
    trim_events(db, app, number, None)?;
    Ok(number)
}

/// Removes some of the events of an app that exceed the maximum number, or are from before a time and were delivered
/// to all webhooks. Returns how many were removed.
fn trim_events(db: &Connection, app: u32, newest: i64, before: Option<i64>) -> rusqlite::Result<usize> {
    let old_until = match before {
        Some(_) => delivered_disbandings(db, app)?.unwrap_or(i64::MAX),
        None => 0,
    };
    db.prepare_cached(
        "DELETE FROM app_event WHERE app_id = ?1 AND (seq <= ?2 OR at < ?3 AND seq <= ?4)
             AND seq IN (SELECT seq FROM app_event WHERE app_id = ?1 ORDER BY seq LIMIT ?5)",
    )?
    .execute(params![app, newest - EVENTS, before.unwrap_or(0), old_until, EVENTS_AT_ONCE])
}

/// Removes some events of every app from before a time, including apps without new ones. Events that a webhook has not
/// delivered stay. Returns how many were removed. Apps whose counter is damaged keep theirs, and the damage is recorded.
pub(super) fn trim_all_events(
    db: &Connection,
    health: &Health,
    before: UnixSeconds,
) -> rusqlite::Result<usize> {
    let mut apps = db.prepare_cached("SELECT app_id FROM app")?;
    let apps = apps.query_map([], |row| row.get(0))?.collect::<Result<Vec<u32>, _>>()?;
    let before = Some(i64::try_from(before).unwrap_or(i64::MAX));
    let mut removed = 0;
    for number in apps {
        let Some(app) = AppId::new(number) else { continue };
        match lives::counters(db, app) {
            Ok((newest, _)) => removed += trim_events(db, number, signed(newest), before)?,
            Err(error) => health.note(&error),
        }
    }
    Ok(removed)
}

/// Reads the incarnations of chat groups from the events of the app, for chat groups with unreadable rows.
///
/// # Errors
/// Returns [`StoreError::Damaged`] if a chat group has no event but older events were removed, since it may have been
/// destroyed before.
pub(super) fn ended<'a>(
    db: &Connection,
    app: AppId,
    ids: impl Iterator<Item = &'a ChatGroupId>,
) -> Result<HashMap<String, u32>, StoreError> {
    let ids: Vec<&str> = ids.map(ChatGroupId::as_str).collect();
    let Some(unreadable) = list(ids.iter().copied()) else { return Ok(HashMap::new()) };
    let mut statement = db.prepare_cached(
        "SELECT seq, group_id, incarnation, at, kind, event, sum FROM app_event
         WHERE app_id = ?1 AND group_id IN rarray(?2)",
    )?;
    let mut rows = statement.query(params![app.number(), unreadable])?;
    let mut ended = HashMap::new();
    while let Some(row) = rows.next()? {
        sums::check("app_event", [Column::Number(app.number().into())], row, 6)?;
        let latest = ended.entry(row.get(1)?).or_insert(0);
        *latest = row.get::<_, u32>(2)?.max(*latest);
    }
    if ids.iter().all(|id| ended.contains_key(*id)) {
        return Ok(ended);
    }
    let events: i64 = db
        .prepare_cached("SELECT count(*) FROM app_event WHERE app_id = ?1")?
        .query_row([app.number()], |row| row.get(0))?;
    let is_complete = unsigned(events) == lives::counters(db, app)?.0;
    for id in ids {
        if !is_complete && !ended.contains_key(id) {
            let reason =
                "a chat group cannot be read, and may have been destroyed longer ago than events are kept";
            return Err(StoreError::Damaged { what: Damaged::Directory(app), reason: reason.to_owned() });
        }
        ended.entry(id.to_owned()).or_insert(0);
    }
    Ok(ended)
}
