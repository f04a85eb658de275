//! Reads the feed of an app: the events of its owners, bucket by bucket, and the disbandings of its chat groups.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    error::attribute_damage,
    events::{COLUMNS, Stored, last, read, signed, unsigned},
    lives::lives,
    sums,
};
use crate::{
    domain::{AppId, ChatGroupId, FeedEntry, UserId},
    store::{
        Damaged, FeedCursor, FeedFrom, FeedPart, Placed, StoreError, Stream,
        checksum::Column,
        events::{Range, disbanding_id},
    },
};

/// The number of entries that each stream may add to a part, even if the part is full already.
const SHARE: usize = 8;

/// Reads a part of the feed of an app, with about `most` entries.
///
/// # Errors
/// Returns [`StoreError::Damaged`] if an entry cannot be read.
pub(super) fn feed(
    db: &Connection,
    app: AppId,
    buckets: u8,
    from: &FeedFrom,
    most: usize,
) -> Result<FeedPart, StoreError> {
    attribute_damage(|| Damaged::Events, read_feed(db, app, buckets, from, most))
}

fn read_feed(
    db: &Connection,
    app: AppId,
    buckets: u8,
    from: &FeedFrom,
    most: usize,
) -> Result<FeedPart, StoreError> {
    let lives = lives(db, app)?;
    let mut part = FeedPart::default();
    let known = match from {
        FeedFrom::After(cursor) => {
            let is_known = (cursor.incarnation, cursor.epoch) == (lives.incarnation, lives.epoch);
            part.has_gap = !is_known;
            is_known.then_some(cursor)
        }
        FeedFrom::Earliest | FeedFrom::Latest => None,
    };
    part.start = FeedCursor {
        incarnation: lives.incarnation,
        epoch: lives.epoch,
        disbandings: lives.disbandings,
        buckets: Vec::with_capacity(buckets.into()),
    };
    // Divide what is left among the streams, so that a busy one does not hold up the others.
    let read = |stream: Stream, after: u64, part: &mut FeedPart| {
        let left = most.saturating_sub(part.entries.len()).max(SHARE);
        let before = part.entries.len();
        match stream {
            Stream::Bucket(bucket) => {
                read_bucket(db, (app, bucket), lives.incarnation, after, left, &mut part.entries)?;
            }
            Stream::Disbandings => {
                read_disbandings(db, app, lives.incarnation, after, left, &mut part.entries)?;
            }
        }
        part.has_more |= part.entries.len() - before == left;
        Ok::<(), StoreError>(())
    };
    for bucket in 0..buckets {
        let after = match (known, from) {
            (Some(cursor), _) => cursor.of_bucket(bucket),
            (None, FeedFrom::Latest) => last(db, (app, bucket))?.number,
            (None, _) => 0,
        };
        let kept = first(db, (app, bucket))?;
        let after = match kept {
            Some(first) if first > after.saturating_add(1) => {
                part.has_gap |= known.is_some();
                first - 1
            }
            _ => after,
        };
        part.start.buckets.push(after);
        if kept.is_some() {
            read(Stream::Bucket(bucket), after, &mut part)?;
        }
    }
    let oldest = oldest_disbanding(db, app)?;
    let after = match (known, from) {
        (Some(cursor), _) => cursor.disbandings,
        (None, FeedFrom::Latest) => lives.disbandings,
        (None, _) => oldest.unwrap_or(lives.disbandings.saturating_add(1)) - 1,
    };
    if after < lives.disbandings && oldest.is_none_or(|oldest| oldest > after + 1) {
        part.has_gap |= known.is_some();
    }
    part.start.disbandings = after;
    read(Stream::Disbandings, after, &mut part)?;
    Ok(part)
}

fn first(db: &Connection, (app, bucket): Range) -> Result<Option<u64>, StoreError> {
    let found = db
        .prepare_cached("SELECT number FROM event WHERE app_id = ?1 AND bucket = ?2 ORDER BY number LIMIT 1")?
        .query_row(params![app.number(), bucket], |row| row.get(0))
        .optional()?;
    Ok(found.map(unsigned))
}

fn read_bucket(
    db: &Connection,
    range: Range,
    incarnation: u64,
    after: u64,
    most: usize,
    entries: &mut Vec<Placed>,
) -> Result<(), StoreError> {
    let (app, bucket) = range;
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, number FROM event WHERE app_id = ?1 AND bucket = ?2 AND number > ?3 ORDER BY number LIMIT ?4"
    ))?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![app.number(), bucket, signed(after), most])?;
    while let Some(row) = rows.next()? {
        let number = unsigned(row.get(9)?);
        let Stored { user, event, .. } = read(row, range, number, incarnation)?;
        let user = UserId::parse(&user)
            .map_err(|reason| StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() })?;
        let entry = FeedEntry::Owner { user, event };
        entries.push(Placed { stream: Stream::Bucket(bucket), number, entry });
    }
    Ok(())
}

fn oldest_disbanding(db: &Connection, app: AppId) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> = db
        .prepare_cached("SELECT min(seq) FROM app_event WHERE app_id = ?1")?
        .query_row([app.number()], |row| row.get(0))?;
    Ok(found.map(unsigned))
}

fn read_disbandings(
    db: &Connection,
    app: AppId,
    incarnation: u64,
    after: u64,
    most: usize,
    entries: &mut Vec<Placed>,
) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT seq, group_id, incarnation, at, kind, sum FROM app_event
         WHERE app_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![app.number(), signed(after), most])?;
    while let Some(row) = rows.next()? {
        sums::check("app_event", [Column::Number(app.number().into())], row, 5)?;
        let id = ChatGroupId::parse(&row.get::<_, String>(1)?)
            .map_err(|reason| StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() })?;
        let at = unsigned(row.get(3)?).saturating_mul(1_000);
        let number = unsigned(row.get(0)?);
        let event = disbanding_id(incarnation, number);
        let entry = FeedEntry::Disbanded { event, id, incarnation: row.get(2)?, at };
        entries.push(Placed { stream: Stream::Disbandings, number, entry });
    }
    Ok(())
}
