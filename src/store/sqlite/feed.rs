//! Reads the feed of an app: the events of its owners, in the order in which they were committed, and the disbandings of
//! its chat groups.

use rusqlite::{Connection, params};

use super::{
    error::attribute_damage,
    events::{event, last, read, removed, signed, unsigned},
    lives::{incarnation, lives},
    runs, sums,
};
use crate::{
    domain::{AppId, ChatGroupId, FeedEntry},
    store::{
        Damaged, FeedCursor, FeedFrom, FeedPart, HistoryPoint, Placed, StoreError, Stream, checksum::Column,
        events::disbanding_id,
    },
};

/// How many events of all apps are looked at for one part, so that an app with few events does not keep a reader busy.
const SCANNED: u64 = 20_000;

/// About how many bytes the stored events of one part have. A single event can be several megabytes large, for example
/// that of an import, and takes several times as much memory.
const PART_BYTES: usize = 1 << 20;

/// Reads a part of the feed of an app, with at most `most` entries. Large entries make a part shorter.
///
/// # Errors
/// Returns [`StoreError::Damaged`] if an entry cannot be read.
pub(super) fn feed(
    db: &Connection,
    app: AppId,
    from: &FeedFrom,
    most: usize,
) -> Result<FeedPart, StoreError> {
    attribute_damage(|| Damaged::Events, read_feed(db, app, from, most))
}

fn read_feed(db: &Connection, app: AppId, from: &FeedFrom, most: usize) -> Result<FeedPart, StoreError> {
    let (lives, incarnation) = (lives(db, app)?, incarnation(db)?);
    let head = last(db)?.number;
    let (mut entries, mut has_gap) = (Vec::new(), false);
    let known = match from {
        FeedFrom::After(cursor) => {
            let is_known = cursor.epoch == lives.epoch && runs::has_been_through(db, cursor.point)?;
            has_gap = !is_known;
            is_known.then_some(cursor)
        }
        FeedFrom::Earliest | FeedFrom::Latest => None,
    };
    // All events up to this number were removed.
    let removed = removed(db, head)?;
    let mut positions = match (known, from) {
        (Some(cursor), _) if !cursor.buckets.is_empty() => cursor.buckets.clone(),
        (None, FeedFrom::Latest) => vec![head],
        _ => vec![removed],
    };
    for position in &mut positions {
        has_gap |= known.is_some() && *position < removed;
        *position = (*position).max(removed);
    }
    let event = match (known, from) {
        (Some(cursor), _) => cursor.point.event,
        (None, FeedFrom::Latest) => head,
        (None, _) => removed,
    };
    let point = HistoryPoint { event, ..lives.now };
    let scan = Scan { db, app, incarnation, positions: &positions, head };
    let scanned = scan.events(most, &mut entries)?;
    let oldest = oldest_disbanding(db, app)?;
    // All disbandings up to this number were removed.
    let removed = oldest.map_or(lives.disbandings, |oldest| oldest.saturating_sub(1));
    let after = match (known, from) {
        (Some(cursor), _) => cursor.disbandings.max(removed),
        (None, FeedFrom::Latest) => lives.disbandings,
        (None, _) => removed,
    };
    has_gap |= known.is_some_and(|cursor| cursor.disbandings < removed);
    let room = most.saturating_sub(entries.len());
    let begun = entries.len();
    read_disbandings(db, app, incarnation, after, room, &mut entries)?;
    let start = FeedCursor { point, epoch: lives.epoch, disbandings: after, buckets: positions.clone() };
    let mut end = start.clone();
    end.buckets.iter_mut().for_each(|position| *position = (*position).max(scanned));
    end.point.event = end.point.event.max(scanned);
    end.disbandings = match entries[begun..].last() {
        // If fewer were found than fit, the end is reached, even if the last numbers are missing because of damage.
        _ if entries.len() - begun < room => after.max(lives.disbandings),
        Some(last) => last.number,
        None => after,
    };
    let has_more = scanned < head || end.disbandings < lives.disbandings;
    Ok(FeedPart { entries, start, end, has_gap, has_more })
}

/// A search for the events of an app.
struct Scan<'a> {
    db: &'a Connection,
    app: AppId,
    incarnation: u64,
    /// The number of the last known event of each bucket; the last one is that of all remaining buckets.
    positions: &'a [u64],
    /// The number of the last event.
    head: u64,
}

impl Scan<'_> {
    /// Adds at most `most` events to `entries`. Returns the number of the last event that was looked at.
    fn events(&self, most: usize, entries: &mut Vec<Placed>) -> Result<u64, StoreError> {
        let Some(start) = self.positions.iter().min().copied().filter(|start| *start < self.head) else {
            return Ok(self.head);
        };
        let end = self.head.min(start.saturating_add(SCANNED));
        let mut statement = self.db.prepare_cached(
            "SELECT app_id, bucket, doc, sum, number FROM event
             WHERE number > ?1 AND number <= ?2 AND app_id = ?3 ORDER BY number",
        )?;
        let mut rows = statement.query(params![signed(start), signed(end), self.app.number()])?;
        let (mut seen, mut bytes) = (start, 0);
        while let Some(row) = rows.next()? {
            let (bucket, number) = (row.get::<_, u8>(1)?, unsigned(row.get(4)?));
            let position = self.positions.get(usize::from(bucket)).or(self.positions.last());
            if position.is_some_and(|position| number <= *position) {
                seen = number;
                continue;
            }
            if entries.len() == most || bytes >= PART_BYTES {
                return Ok(seen);
            }
            let stored = read(row, number)?;
            bytes += stored.bytes;
            let user = stored.header.user.clone();
            let entry = FeedEntry::Owner { user, event: event(stored, number, self.incarnation) };
            entries.push(Placed { stream: Stream::Bucket(bucket), number, event: number, entry });
            seen = number;
        }
        Ok(end)
    }
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
        "SELECT seq, group_id, incarnation, at, kind, event, sum FROM app_event
         WHERE app_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![app.number(), signed(after), most])?;
    while let Some(row) = rows.next()? {
        sums::check("app_event", [Column::Number(app.number().into())], row, 6)?;
        let id = ChatGroupId::parse(&row.get::<_, String>(1)?)
            .map_err(|reason| StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() })?;
        let at = unsigned(row.get(3)?).saturating_mul(1_000);
        let number = unsigned(row.get(0)?);
        let event = disbanding_id(incarnation, number, at);
        let entry = FeedEntry::Disbanded { event, id, incarnation: row.get(2)?, at };
        let used_up = row.get::<_, Option<i64>>(5)?.map_or(0, unsigned);
        entries.push(Placed { stream: Stream::Disbandings, number, event: used_up, entry });
    }
    Ok(())
}
