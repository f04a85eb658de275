//! Removes events that are too old, or too many.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    deliveries::delivered,
    events::{Head, last, signed, unsigned},
};
use crate::{
    domain::AppId,
    store::{Retention, events::Range},
};

/// How many events are removed at a time, so that removing many of them takes several small transactions.
const AT_ONCE: u64 = 1_000;

/// A bucket with its oldest event.
struct Bucket {
    range: Range,
    oldest: Head,
    oldest_at: u64,
    last: Head,
}

/// Removes some of the events that are older than `retention` allows at the time `now`, in milliseconds, or that exceed
/// its size. Returns how many were removed.
///
/// The last event of each bucket stays, because the next one continues its numbers. Its content is erased instead. Old
/// events stay while a webhook has not delivered them, unless the size is exceeded.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn trim(db: &Connection, retention: Retention, now: u64) -> rusqlite::Result<usize> {
    let before = now.saturating_sub(retention.seconds.saturating_mul(1_000));
    let buckets = buckets(db)?;
    let mut removed = 0;
    for bucket in &buckets {
        if bucket.oldest_at < before {
            let delivered = delivered(db, bucket.range)?.unwrap_or(u64::MAX);
            removed += remove_before(db, bucket, before, delivered)?;
        }
    }
    let bytes: u64 = buckets.iter().map(|bucket| bucket.last.total.saturating_sub(bucket.oldest.total)).sum();
    if removed == 0 && bytes > retention.bytes {
        let full = buckets.iter().filter(|bucket| bucket.oldest.number < bucket.last.number);
        if let Some(oldest) = full.min_by_key(|bucket| bucket.oldest_at) {
            removed += remove_up_to(db, oldest, oldest.oldest.number + AT_ONCE)?;
        }
    }
    Ok(removed)
}

/// Returns the buckets of all apps that have events.
fn buckets(db: &Connection) -> rusqlite::Result<Vec<Bucket>> {
    let mut next = db.prepare_cached(
        "SELECT app_id, bucket, number, total, at FROM event WHERE (app_id, bucket) > (?1, ?2)
         ORDER BY app_id, bucket, number LIMIT 1",
    )?;
    let (mut buckets, mut after) = (Vec::new(), (0u32, 255u8));
    loop {
        let found = next
            .query_row([after.0, after.1.into()], |row| {
                Ok((row.get::<_, u32>(0)?, row.get::<_, u8>(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })
            .optional()?;
        let Some((app_id, bucket, number, total, at)) = found else { return Ok(buckets) };
        after = (app_id, bucket);
        let Some(app) = AppId::new(app_id) else { continue };
        let range = (app, bucket);
        let oldest = Head { number: unsigned(number), total: unsigned(total) };
        buckets.push(Bucket { range, oldest, oldest_at: unsigned(at), last: last(db, range)? });
    }
}

/// Removes the oldest events of a bucket that are from before a time, up to the one that was `delivered` last.
fn remove_before(db: &Connection, bucket: &Bucket, before: u64, delivered: u64) -> rusqlite::Result<usize> {
    let (app, number) = bucket.range;
    let last_old: Option<i64> = db
        .prepare_cached(
            "SELECT max(number) FROM (SELECT number, at FROM event
                WHERE app_id = ?1 AND bucket = ?2 AND number < ?3 AND number <= ?6 ORDER BY number LIMIT ?4)
             WHERE at < ?5",
        )?
        .query_row(
            params![
                app.number(),
                number,
                signed(bucket.last.number),
                signed(AT_ONCE),
                signed(before),
                signed(delivered)
            ],
            |row| row.get(0),
        )?;
    if let Some(last_old) = last_old {
        return remove_up_to(db, bucket, unsigned(last_old));
    }
    if delivered < bucket.last.number {
        return Ok(0);
    }
    // Only the last event may be left.
    let erased = db
        .prepare_cached(
            "UPDATE event SET operator = NULL, request = NULL, doc = x'', sum =
                row_sum('event', app_id, bucket, number, user_id, previous, total, at, version, NULL, NULL, x'')
             WHERE app_id = ?1 AND bucket = ?2 AND number = ?3 AND at < ?4 AND doc != x''",
        )?
        .execute(params![app.number(), number, signed(bucket.last.number), signed(before)])?;
    Ok(erased)
}

/// Removes the events of a bucket up to a number, except the last.
fn remove_up_to(db: &Connection, bucket: &Bucket, number: u64) -> rusqlite::Result<usize> {
    let (app, of) = bucket.range;
    let removed = db
        .prepare_cached(
            "DELETE FROM event WHERE app_id = ?1 AND bucket = ?2 AND number <= ?3 AND number < ?4",
        )?
        .execute(params![app.number(), of, signed(number), signed(bucket.last.number)])?;
    Ok(removed)
}
