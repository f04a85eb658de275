//! The rows of webhooks. One table has all of them:
//!
//! | `kind` | row | `key` | `a` | `b` | `c` | `note` |
//! |---|---|---|---|---|---|---|
//! | 0 | destination | 0 | whether it is off | | | |
//! | 1 | lane | the bucket, or 255 for disbandings | number | attempts | due | |
//! | 2 | event that was given up | place in the list | lane | number | time | id of the event, a blank, the reason |

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    batch::{Batch, PAGE},
    events::{last, signed, unsigned},
    job::OutcomeSlot,
    lives::{counters, incarnation},
    sums,
};
use crate::{
    domain::AppId,
    store::{
        DeliveryState, DestinationId, GivenUp, GivenUpPart, Lane, Life, MAX_GIVEN_UP, Progress, Scope,
        StoreError, Stream, checksum::Column,
    },
};

/// The approximate number of bytes of a row.
const ROW: usize = 64;
/// The kinds of rows.
const DESTINATION: u8 = 0;
const LANE: u8 = 1;
const GIVEN_UP: u8 = 2;
/// The lane that carries the disbandings.
const DISBANDINGS: u8 = 255;

/// A job of the writer about webhooks.
pub(super) enum DeliveryJob {
    /// Reads a destination, and stores it if it is new.
    Open(DestinationId, OutcomeSlot<DeliveryState>),
    /// Records what has happened to a destination.
    Progress(DestinationId, Progress, OutcomeSlot<()>),
    /// Forgets all other destinations.
    Keep(Vec<DestinationId>, OutcomeSlot<()>),
}

impl DeliveryJob {
    /// Runs the job as a part of a batch.
    pub(super) fn make(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        match self {
            DeliveryJob::Open(id, slot) => {
                slot.keep(batch.add(|db, buckets| destination(db, id, buckets))?);
            }
            DeliveryJob::Progress(id, progress, slot) => {
                slot.keep(batch.add(|db, _| Ok(((), note(db, id, progress)?)))?);
            }
            DeliveryJob::Keep(ids, slot) => slot.keep(batch.add(|db, _| Ok(((), keep(db, ids)?)))?),
        }
        Ok(())
    }

    /// Sends the result to the caller.
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        match self {
            DeliveryJob::Open(_, slot) => slot.answer(committed),
            DeliveryJob::Progress(.., slot) | DeliveryJob::Keep(_, slot) => slot.answer(committed),
        }
    }
}

fn lane_of(stream: Stream) -> u8 {
    match stream {
        Stream::Bucket(bucket) => bucket,
        Stream::Disbandings => DISBANDINGS,
    }
}

fn stream_of(lane: u8) -> Stream {
    if lane == DISBANDINGS { Stream::Disbandings } else { Stream::Bucket(lane) }
}

fn life_of(db: &Connection, app: AppId) -> Result<Life, StoreError> {
    Ok(Life { incarnation: incarnation(db)?, epoch: counters(db, app)?.1 })
}

/// Reads a destination, and stores it if it is new. Also returns the approximate number of bytes written.
fn destination(
    db: &Connection,
    id: &DestinationId,
    buckets: u8,
) -> Result<(DeliveryState, usize), StoreError> {
    let (app, name) = (id.app.number(), &*id.name);
    let mut bytes = 0;
    let is_off: Option<bool> = db
        .prepare_cached("SELECT a FROM webhook WHERE app_id = ?1 AND name = ?2 AND kind = ?3 AND key = 0")?
        .query_row(params![app, name, DESTINATION], |row| row.get(0))
        .optional()?;
    if is_off.is_none() {
        write_destination(db, id, false)?;
        let (disbandings, _) = counters(db, id.app)?;
        let number = last(db)?.number;
        for bucket in 0..buckets {
            write_lane(db, id, &Lane { stream: Stream::Bucket(bucket), number, attempts: 0, due: 0 })?;
        }
        write_lane(db, id, &Lane { stream: Stream::Disbandings, number: disbandings, attempts: 0, due: 0 })?;
        bytes = PAGE + ROW * usize::from(buckets);
    }
    let mut lanes: Vec<Lane> = (0..buckets)
        .map(Stream::Bucket)
        .chain([Stream::Disbandings])
        // A lane whose row is damaged begins with the oldest event, because none may be left out.
        .map(|stream| Lane { stream, number: 0, attempts: 0, due: 0 })
        .collect();
    let mut statement = db.prepare_cached(
        "SELECT key, a, b, c, note, sum FROM webhook WHERE app_id = ?1 AND name = ?2 AND kind = ?3",
    )?;
    let mut rows = statement.query(params![app, name, LANE])?;
    while let Some(row) = rows.next()? {
        if sums::check("webhook", key(id, LANE), row, 5).is_err() {
            continue;
        }
        let stream = stream_of(row.get(0)?);
        if let Some(lane) = lanes.iter_mut().find(|lane| lane.stream == stream) {
            *lane = Lane {
                stream,
                number: unsigned(row.get(1)?),
                attempts: row.get(2)?,
                due: unsigned(row.get(3)?),
            };
        }
    }
    let given_up: i64 = db
        .prepare_cached("SELECT count(*) FROM webhook WHERE app_id = ?1 AND name = ?2 AND kind = ?3")?
        .query_row(params![app, name, GIVEN_UP], |row| row.get(0))?;
    let state = DeliveryState {
        life: life_of(db, id.app)?,
        is_off: is_off.unwrap_or(false),
        lanes,
        given_up: usize::try_from(given_up).unwrap_or(0),
    };
    Ok((state, bytes))
}

fn key(id: &DestinationId, kind: u8) -> [Column<'_>; 3] {
    let app = Column::Number(id.app.number().into());
    [app, Column::Text(id.name.as_bytes()), Column::Number(kind.into())]
}

/// Writes a row.
fn write(
    db: &Connection,
    id: &DestinationId,
    (kind, key): (u8, u64),
    (a, b, c): (u64, u64, u64),
    note: Option<&str>,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO webhook (app_id, name, kind, key, a, b, c, note, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, row_sum('webhook', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8))",
    )?
    .execute(params![id.app.number(), &*id.name, kind, signed(key), signed(a), signed(b), signed(c), note])
    .map(drop)
}

fn write_destination(db: &Connection, id: &DestinationId, off: bool) -> rusqlite::Result<()> {
    write(db, id, (DESTINATION, 0), (off.into(), 0, 0), None)
}

fn write_lane(db: &Connection, id: &DestinationId, lane: &Lane) -> rusqlite::Result<()> {
    let values = (lane.number, lane.attempts.into(), lane.due);
    write(db, id, (LANE, lane_of(lane.stream).into()), values, None)
}

/// Records what has happened to a destination. Returns the approximate number of bytes written.
fn note(db: &Connection, id: &DestinationId, progress: &Progress) -> Result<usize, StoreError> {
    let is_stored: bool = db
        .prepare_cached("SELECT count(*) FROM webhook WHERE app_id = ?1 AND name = ?2 AND kind = ?3")?
        .query_row(params![id.app.number(), &*id.name, DESTINATION], |row| row.get(0))?;
    if !is_stored {
        return Ok(0);
    }
    let mut rows = 0;
    if let Some(off) = progress.off {
        write_destination(db, id, off)?;
        rows += 1;
    }
    if life_of(db, id.app)? == progress.life {
        for lane in &progress.lanes {
            write_lane(db, id, lane)?;
        }
        for given_up in &progress.given_up {
            write_given_up(db, id, given_up)?;
        }
        rows += progress.lanes.len() + progress.given_up.len();
    }
    for (place, number) in &progress.settled {
        let place = params![id.app.number(), &*id.name, GIVEN_UP, signed(*place), signed(*number)];
        rows += db
            .prepare_cached(
                "DELETE FROM webhook WHERE app_id = ?1 AND name = ?2 AND kind = ?3 AND key = ?4 AND b = ?5",
            )?
            .execute(place)?;
    }
    Ok(if rows == 0 { 0 } else { PAGE + ROW * rows })
}

fn write_given_up(db: &Connection, id: &DestinationId, given_up: &GivenUp) -> rusqlite::Result<()> {
    let GivenUp { stream, number, event, at, reason } = given_up;
    let list = params![id.app.number(), &*id.name, GIVEN_UP];
    let (lowest, highest, count): (i64, i64, i64) = db
        .prepare_cached(
            "SELECT coalesce(min(key), 0), coalesce(max(key), 0), count(*) FROM webhook
             WHERE app_id = ?1 AND name = ?2 AND kind = ?3",
        )?
        .query_row(list, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if count >= i64::try_from(MAX_GIVEN_UP).unwrap_or(i64::MAX) {
        db.prepare_cached("DELETE FROM webhook WHERE app_id = ?1 AND name = ?2 AND kind = ?3 AND key = ?4")?
            .execute(params![id.app.number(), &*id.name, GIVEN_UP, lowest])?;
    }
    let note = format!("{event} {reason}");
    let values = (lane_of(*stream).into(), *number, *at);
    write(db, id, (GIVEN_UP, unsigned(highest) + 1), values, Some(&note))
}

/// Forgets all destinations except these. Returns the approximate number of bytes written.
fn keep(db: &Connection, ids: &[DestinationId]) -> Result<usize, StoreError> {
    let mut all = db.prepare_cached("SELECT DISTINCT app_id, name FROM webhook")?;
    let all = all
        .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    let gone = all
        .into_iter()
        .filter(|(app, name)| !ids.iter().any(|id| id.app.number() == *app && *id.name == **name));
    let mut bytes = 0;
    for (app, name) in gone {
        db.execute("DELETE FROM webhook WHERE app_id = ?1 AND name = ?2", params![app, name])?;
        bytes += PAGE;
    }
    Ok(bytes)
}

/// Reads a part of the list of events that a destination has refused.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn given_up(
    db: &Connection,
    id: &DestinationId,
    after: u64,
    most: usize,
) -> Result<GivenUpPart, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT key, a, b, c, note, sum FROM webhook
         WHERE app_id = ?1 AND name = ?2 AND kind = ?3 AND key > ?4 ORDER BY key LIMIT ?5",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![id.app.number(), &*id.name, GIVEN_UP, signed(after), most])?;
    let mut part = GivenUpPart { life: life_of(db, id.app)?, events: Vec::new() };
    while let Some(row) = rows.next()? {
        sums::check("webhook", key(id, GIVEN_UP), row, 5)?;
        let note: String = row.get(4)?;
        let (event, reason) = note.split_once(' ').unwrap_or((&note, ""));
        let given_up = GivenUp {
            stream: stream_of(row.get(1)?),
            number: unsigned(row.get(2)?),
            event: event.to_owned(),
            at: unsigned(row.get(3)?),
            reason: reason.to_owned(),
        };
        part.events.push((unsigned(row.get(0)?), given_up));
    }
    Ok(part)
}

/// Returns the number up to which every destination has received all events; `None` if no destination is waiting for
/// any.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn delivered(db: &Connection) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = db
        .prepare_cached(
            "SELECT min(lane.a) FROM webhook AS destination JOIN webhook AS lane USING (app_id, name)
             WHERE destination.kind = ?1 AND NOT destination.a AND lane.kind = ?2 AND lane.key != ?3",
        )?
        .query_row(params![DESTINATION, LANE, DISBANDINGS], |row| row.get(0))?;
    Ok(number.map(unsigned))
}

/// Returns the number up to which all webhooks of an app have received all disbandings; `None` if no webhook waits
/// for any.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn delivered_disbandings(db: &Connection, app: u32) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT min(lane.a) FROM webhook AS destination JOIN webhook AS lane USING (app_id, name)
         WHERE app_id = ?1 AND destination.kind = ?2 AND NOT destination.a AND lane.kind = ?3 AND lane.key = ?4",
    )?
    .query_row(params![app, DESTINATION, LANE, DISBANDINGS], |row| row.get(0))
}

/// Returns all stored destinations.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn destinations(db: &Connection) -> Result<Vec<DestinationId>, StoreError> {
    let mut all =
        db.prepare_cached("SELECT app_id, name FROM webhook WHERE kind = ?1 ORDER BY app_id, name")?;
    let all = all.query_map([DESTINATION], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))?;
    let mut ids = Vec::new();
    for row in all {
        let (app, name) = row?;
        ids.extend(AppId::new(app).map(|app| DestinationId { app, name: name.into() }));
    }
    Ok(ids)
}

/// Makes the lanes begin again with the next event, because all events of a scope are about to be deleted. Numbers go on.
/// Disbandings keep their numbers.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn begin_again(db: &Connection, scope: &Scope) -> Result<(), StoreError> {
    let condition = match scope {
        Scope::All => String::new(),
        Scope::App(app) => format!("AND app_id = {app}"),
        Scope::Owner(_) => return Ok(()),
    };
    let head = signed(last(db)?.number);
    db.execute_batch(&format!(
        "UPDATE webhook SET a = {head}, b = 0, c = 0, sum = row_sum('webhook', app_id, name, kind, key, {head}, 0, 0, NULL)
         WHERE kind = {LANE} AND key != {DISBANDINGS} {condition};
         DELETE FROM webhook WHERE kind = {GIVEN_UP} {condition};"
    ))?;
    Ok(())
}
