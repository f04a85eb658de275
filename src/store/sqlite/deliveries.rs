//! The rows of webhooks: destinations, their lanes, and events that were given up.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    batch::{Batch, PAGE},
    events::{last, signed, unsigned},
    job::OutcomeSlot,
    lives::lives,
    sums,
};
use crate::{
    domain::AppId,
    store::{
        DeliveryState, DestinationId, GivenUp, GivenUpPart, Lane, Life, MAX_GIVEN_UP, Progress, Scope,
        StoreError, Stream, checksum::Column, events::Range,
    },
};

/// The approximate number of bytes of a row.
const ROW: usize = 64;
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
    let lives = lives(db, app)?;
    Ok(Life { incarnation: lives.incarnation, epoch: lives.epoch })
}

/// Reads a destination, and stores it if it is new. Returns the approximate number of bytes written, too.
fn destination(
    db: &Connection,
    id: &DestinationId,
    buckets: u8,
) -> Result<(DeliveryState, usize), StoreError> {
    let (app, name) = (id.app.number(), &*id.name);
    let mut bytes = 0;
    let is_off: Option<bool> = db
        .prepare_cached("SELECT off FROM webhook WHERE app_id = ?1 AND name = ?2")?
        .query_row(params![app, name], |row| row.get(0))
        .optional()?;
    if is_off.is_none() {
        write_destination(db, id, false)?;
        let disbandings = lives(db, id.app)?.disbandings;
        for bucket in 0..buckets {
            let number = last(db, (id.app, bucket))?.number;
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
        "SELECT lane, number, attempts, due, sum FROM webhook_lane WHERE app_id = ?1 AND name = ?2",
    )?;
    let mut rows = statement.query(params![app, name])?;
    while let Some(row) = rows.next()? {
        if sums::check("webhook_lane", key(id), row, 4).is_err() {
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
        .prepare_cached("SELECT count(*) FROM webhook_given_up WHERE app_id = ?1 AND name = ?2")?
        .query_row(params![app, name], |row| row.get(0))?;
    let state = DeliveryState {
        life: life_of(db, id.app)?,
        is_off: is_off.unwrap_or(false),
        lanes,
        given_up: usize::try_from(given_up).unwrap_or(0),
    };
    Ok((state, bytes))
}

fn key(id: &DestinationId) -> [Column<'_>; 2] {
    [Column::Number(id.app.number().into()), Column::Text(id.name.as_bytes())]
}

fn write_destination(db: &Connection, id: &DestinationId, off: bool) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO webhook (app_id, name, off, sum) VALUES (?1, ?2, ?3, row_sum('webhook', ?1, ?2, ?3))",
    )?
    .execute(params![id.app.number(), &*id.name, off])
    .map(drop)
}

fn write_lane(db: &Connection, id: &DestinationId, lane: &Lane) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO webhook_lane (app_id, name, lane, number, attempts, due, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_sum('webhook_lane', ?1, ?2, ?3, ?4, ?5, ?6))",
    )?
    .execute(params![
        id.app.number(),
        &*id.name,
        lane_of(lane.stream),
        signed(lane.number),
        lane.attempts,
        signed(lane.due)
    ])
    .map(drop)
}

/// Records what has happened to a destination. Returns the approximate number of bytes written.
fn note(db: &Connection, id: &DestinationId, progress: &Progress) -> Result<usize, StoreError> {
    let is_stored: bool = db
        .prepare_cached("SELECT count(*) FROM webhook WHERE app_id = ?1 AND name = ?2")?
        .query_row(params![id.app.number(), &*id.name], |row| row.get(0))?;
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
    for place in &progress.settled {
        rows += db
            .prepare_cached("DELETE FROM webhook_given_up WHERE place = ?1 AND app_id = ?2 AND name = ?3")?
            .execute(params![signed(*place), id.app.number(), &*id.name])?;
    }
    Ok(if rows == 0 { 0 } else { PAGE + ROW * rows })
}

fn write_given_up(db: &Connection, id: &DestinationId, given_up: &GivenUp) -> rusqlite::Result<()> {
    let GivenUp { stream, number, event, at, reason } = given_up;
    let (place, count): (i64, i64) = db
        .prepare_cached("SELECT coalesce(max(place), 0) + 1, count(*) FROM webhook_given_up")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if count >= i64::try_from(MAX_GIVEN_UP).unwrap_or(i64::MAX) {
        db.execute(
            "DELETE FROM webhook_given_up WHERE place = (SELECT min(place) FROM webhook_given_up)",
            [],
        )?;
    }
    db.prepare_cached(
        "INSERT INTO webhook_given_up (place, app_id, name, lane, number, event, at, reason, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, row_sum('webhook_given_up', ?2, ?3, ?4, ?5, ?6, ?7, ?8))",
    )?
    .execute(params![
        place,
        id.app.number(),
        &*id.name,
        lane_of(*stream),
        signed(*number),
        event,
        signed(*at),
        reason
    ])
    .map(drop)
}

/// Forgets all destinations except these. Returns the approximate number of bytes written.
fn keep(db: &Connection, ids: &[DestinationId]) -> Result<usize, StoreError> {
    let mut all = db.prepare_cached("SELECT app_id, name FROM webhook")?;
    let all = all
        .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    let gone = all
        .into_iter()
        .filter(|(app, name)| !ids.iter().any(|id| id.app.number() == *app && *id.name == **name));
    let mut bytes = 0;
    for (app, name) in gone {
        for table in ["webhook", "webhook_lane", "webhook_given_up"] {
            db.execute(&format!("DELETE FROM {table} WHERE app_id = ?1 AND name = ?2"), params![app, name])?;
        }
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
        "SELECT lane, number, event, at, reason, sum, place FROM webhook_given_up
         WHERE app_id = ?1 AND name = ?2 AND place > ?3 ORDER BY place LIMIT ?4",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![id.app.number(), &*id.name, signed(after), most])?;
    let mut part = GivenUpPart { life: life_of(db, id.app)?, events: Vec::new() };
    while let Some(row) = rows.next()? {
        sums::check("webhook_given_up", key(id), row, 5)?;
        let given_up = GivenUp {
            stream: stream_of(row.get(0)?),
            number: unsigned(row.get(1)?),
            event: row.get(2)?,
            at: unsigned(row.get(3)?),
            reason: row.get(4)?,
        };
        part.events.push((unsigned(row.get(6)?), given_up));
    }
    Ok(part)
}

/// Returns the number of the last event of a bucket that all destinations have got; `None` if there is no destination
/// that waits for events.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn delivered(db: &Connection, (app, bucket): Range) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = db
        .prepare_cached(
            "SELECT min(number) FROM webhook JOIN webhook_lane USING (app_id, name)
             WHERE app_id = ?1 AND lane = ?2 AND NOT off",
        )?
        .query_row(params![app.number(), bucket], |row| row.get(0))?;
    Ok(number.map(unsigned))
}

/// Makes the lanes begin again where the numbers of events do, because a scope is deleted. Disbandings keep their
/// numbers.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn begin_again(db: &Connection, scope: &Scope) -> rusqlite::Result<()> {
    let condition = match scope {
        Scope::All => String::new(),
        Scope::App(app) => format!("AND app_id = {app}"),
        Scope::Owner(_) => return Ok(()),
    };
    db.execute_batch(&format!(
        "UPDATE webhook_lane SET number = 0, attempts = 0, due = 0,
            sum = row_sum('webhook_lane', app_id, name, lane, 0, 0, 0) WHERE lane != {DISBANDINGS} {condition};
         DELETE FROM webhook_given_up WHERE 1 {condition};"
    ))
}
