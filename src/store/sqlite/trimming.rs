//! Removes events that are too old, or too many.

use rusqlite::{Connection, params, types::ValueRef};

use super::{
    error::committing,
    events::{Head, damaged, last, rewrite_erased, signed, unsigned},
};
use crate::{
    domain::AppId,
    store::{
        Retention, StoreError,
        document::{EventHeader, decode_header, encode_erased},
        events::Range,
    },
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
/// The last event of each bucket stays, because the next one continues its numbers. Its content is erased instead.
///
/// # Errors
/// Returns any error of the store.
pub(super) fn trim(db: &Connection, retention: Retention, now: u64) -> Result<usize, StoreError> {
    let before = now.saturating_sub(retention.seconds.saturating_mul(1_000));
    let buckets = buckets(db)?;
    let mut removed = 0;
    for bucket in &buckets {
        if bucket.oldest_at < before {
            removed += remove_before(db, bucket, before)?;
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
fn buckets(db: &Connection) -> Result<Vec<Bucket>, StoreError> {
    let mut next = db.prepare_cached(
        "SELECT app_id, bucket, number, doc FROM event WHERE (app_id, bucket) > (?1, ?2)
         ORDER BY app_id, bucket, number LIMIT 1",
    )?;
    let (mut buckets, mut after) = (Vec::new(), (0u32, 255u8));
    loop {
        let mut rows = next.query([after.0, after.1.into()])?;
        let Some(row) = rows.next()? else { return Ok(buckets) };
        after = (row.get(0)?, row.get(1)?);
        let Some(app) = AppId::new(after.0) else { continue };
        let range = (app, after.1);
        let EventHeader { at, total, .. } = header(row.get_ref(3)?, range)?;
        let oldest = Head { number: unsigned(row.get(2)?), total };
        buckets.push(Bucket { range, oldest, oldest_at: at, last: last(db, range)? });
    }
}

fn header(doc: ValueRef<'_>, range: Range) -> Result<EventHeader, StoreError> {
    let doc = doc.as_blob().map_err(rusqlite::Error::from)?;
    decode_header(doc).map_err(|reason| damaged(range, &reason))
}

/// Removes the oldest events of a bucket that are from before a time.
fn remove_before(db: &Connection, bucket: &Bucket, before: u64) -> Result<usize, StoreError> {
    let (app, of) = bucket.range;
    let mut statement = db.prepare_cached(
        "SELECT number, doc FROM event WHERE app_id = ?1 AND bucket = ?2 ORDER BY number LIMIT ?3",
    )?;
    let mut rows = statement.query(params![app.number(), of, signed(AT_ONCE)])?;
    let (mut old, mut erasable) = (None, None);
    while let Some(row) = rows.next()? {
        let (number, header) = (unsigned(row.get(0)?), header(row.get_ref(1)?, bucket.range)?);
        if header.at >= before {
            break;
        }
        if number < bucket.last.number {
            old = Some(number);
        } else if row.get_ref(1)?.as_blob().is_ok_and(|doc| doc != encode_erased(&header)) {
            erasable = Some(header);
        }
    }
    drop(rows);
    if let Some(old) = old {
        return remove_up_to(db, bucket, old);
    }
    // Only the last event is left.
    match erasable {
        Some(header) => rewrite_erased(db, bucket.range, bucket.last.number, &header).map(|_| 1),
        None => Ok(0),
    }
}

/// Removes the events of a bucket up to a number, except the last.
fn remove_up_to(db: &Connection, bucket: &Bucket, number: u64) -> Result<usize, StoreError> {
    let (app, of) = bucket.range;
    let removed = db
        .prepare_cached(
            "DELETE FROM event WHERE app_id = ?1 AND bucket = ?2 AND number <= ?3 AND number < ?4",
        )?
        .execute(params![app.number(), of, signed(number), signed(bucket.last.number)])
        .map_err(committing)?;
    Ok(removed)
}
