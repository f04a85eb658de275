//! Inspects a write-ahead log before SQLite opens it, because SQLite silently ignores the parts that it cannot use. The
//! format is described in <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The first four bytes of a log; the last bit gives the byte order of its checksums.
const MAGIC: u32 = 0x377f_0682;

/// A write-ahead log as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// The file does not exist.
    Missing,
    /// The file is empty, as after a store was closed or before anything was written.
    Empty,
    /// The header is damaged, so that SQLite ignores the whole log.
    Unreadable,
    /// The log has a valid header and possibly frames.
    Frames(Frames),
}

/// The numbers of frames in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// The number of frames in the file, including those from before the log was last restarted.
    pub(super) stored: u64,
    /// The number of frames since the log was last restarted.
    pub(super) written: u64,
    /// The place of the last frame that ends a transaction, or 0. Later frames were never committed.
    pub(super) last_commit: u64,
    /// How often the log was restarted.
    pub(super) restarts: u32,
}

/// Inspects a log.
///
/// # Errors
/// Returns the error if the file exists and cannot be read.
pub(super) fn inspect(file: &Path) -> io::Result<Log> {
    let log = match File::open(file) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Log::Missing),
        Err(error) => return Err(error),
    };
    let bytes = log.metadata()?.len();
    if bytes == 0 {
        return Ok(Log::Empty);
    }
    let mut header = [0; HEADER];
    match log.read_exact_at(&mut header, 0) {
        Ok(()) if is_sound(&header) => {}
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => return Ok(Log::Unreadable),
    }
    let page = u64::from(word(&header, 2, u32::from_be_bytes));
    let salts = &header[16..24];
    let mut frames = Frames { restarts: word(&header, 3, u32::from_be_bytes), ..Frames::default() };
    let mut at = HEADER as u64;
    while at + FRAME_HEADER as u64 + page <= bytes {
        let mut frame = [0; FRAME_HEADER];
        log.read_exact_at(&mut frame, at)?;
        frames.stored += 1;
        if &frame[8..16] == salts {
            frames.written += 1;
            // Only the last frame of a transaction contains the size of the database.
            if word(&frame, 1, u32::from_be_bytes) != 0 {
                frames.last_commit = frames.written;
            }
        }
        at += FRAME_HEADER as u64 + page;
    }
    Ok(Log::Frames(frames))
}

fn word(bytes: &[u8], index: usize, read: fn([u8; 4]) -> u32) -> u32 {
    read([bytes[4 * index], bytes[4 * index + 1], bytes[4 * index + 2], bytes[4 * index + 3]])
}

/// Checks the magic number, the page size and the checksum of a header.
fn is_sound(header: &[u8; HEADER]) -> bool {
    let magic = word(header, 0, u32::from_be_bytes);
    let page = word(header, 2, u32::from_be_bytes);
    let read = if magic & 1 == 1 { u32::from_be_bytes } else { u32::from_le_bytes };
    let (mut first, mut second) = (0u32, 0u32);
    for pair in 0..3 {
        first = first.wrapping_add(word(header, 2 * pair, read)).wrapping_add(second);
        second = second.wrapping_add(word(header, 2 * pair + 1, read)).wrapping_add(first);
    }
    magic & !1 == MAGIC
        && page.is_power_of_two()
        && (512..=65_536).contains(&page)
        && word(header, 6, u32::from_be_bytes) == first
        && word(header, 7, u32::from_be_bytes) == second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_as_sqlite_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let (database, log) = (folder.path().join("a.db"), folder.path().join("a.db-wal"));
        assert_eq!(inspect(&log).unwrap(), Log::Missing);
        let db = rusqlite::Connection::open(&database).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        db.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)").unwrap();
        let frames = |mode: &str| {
            let sql = format!("PRAGMA wal_checkpoint({mode})");
            u64::try_from(db.query_row(&sql, [], |row| row.get::<_, i64>(1)).unwrap()).unwrap()
        };
        let all = frames("NOOP");
        assert_eq!(
            inspect(&log).unwrap(),
            Log::Frames(Frames { stored: all, written: all, last_commit: all, restarts: 0 })
        );
        // Make the last change look as if its process had ended before committing it.
        let whole = std::fs::read(&log).unwrap();
        let mut cut = whole.clone();
        let last = 32 + (usize::try_from(all).unwrap() - 1) * (24 + 4_096);
        cut[last + 4..last + 8].fill(0);
        std::fs::write(&log, cut).unwrap();
        let Log::Frames(found) = inspect(&log).unwrap() else { panic!("no frames") };
        assert!(found.written == all && found.last_commit < all, "{found:?}");
        std::fs::write(&log, whole).unwrap();
        // The next write restarts the log, and older frames remain after the new one.
        frames("RESTART");
        db.execute_batch("INSERT INTO t VALUES (3)").unwrap();
        assert_eq!(
            inspect(&log).unwrap(),
            Log::Frames(Frames { stored: all, written: 1, last_commit: 1, restarts: 1 })
        );
        let bytes = std::fs::read(&log).unwrap();
        for place in [0, 9, 17, 31] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            std::fs::write(&log, damaged).unwrap();
            assert_eq!(inspect(&log).unwrap(), Log::Unreadable, "byte {place}");
        }
        std::fs::write(&log, &bytes[..20]).unwrap();
        assert_eq!(inspect(&log).unwrap(), Log::Unreadable);
        std::fs::write(&log, []).unwrap();
        assert_eq!(inspect(&log).unwrap(), Log::Empty);
    }
}
