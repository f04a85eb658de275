//! Overwrites what SQLite leaves behind in the database file after content was erased.
//!
//! `secure_delete` overwrites deleted rows. But when SQLite divides or merges the pages of a table, it moves rows, and
//! copies of moved rows stay in the unused middle of their old pages. So after an erasure, the whole file is swept in
//! steps, and the unused part of each page is overwritten in place. Nothing reads that part, so neither a crash nor a
//! reader in the meantime can do harm.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use rusqlite::Connection;

use super::batch::PAGE;

/// The number of pages of one step.
const STEP: u64 = 8_192;
/// The number of pages from which on an overflow page could look like a page of a table, because it begins with the
/// number of another page. No such file is swept.
const MAX_PAGES: u64 = 0x0200_0000;
/// The size of the header of the file, which is in front of the first page's own.
const FILE_HEADER: usize = 100;

/// Sweeps the database file.
#[derive(Debug)]
pub(super) struct Scrubber {
    /// The file, unless it can only be read; then nothing is erased either. It stays open, because closing it would
    /// release the locks that SQLite holds on it.
    file: Option<File>,
    /// The next page to look at, counted from 0; `None` if no sweep is due.
    next: Option<u64>,
}

impl Scrubber {
    /// Opens the database file.
    pub(super) fn open(database: &Path) -> Scrubber {
        Scrubber { file: OpenOptions::new().read(true).write(true).open(database).ok(), next: None }
    }

    /// Begins a sweep, even if an earlier one has not ended.
    pub(super) fn begin(&mut self) {
        self.next = Some(0);
    }

    /// Checks whether a sweep has begun and not ended.
    pub(super) fn is_due(&self) -> bool {
        self.next.is_some()
    }

    /// Does one step of the sweep. All content has to be in the database file, the write-ahead log has to be empty, and
    /// the connection that writes must not have any pages in memory. Otherwise, an older copy of a page could be written
    /// later.
    ///
    /// # Errors
    /// Returns any error of the file system.
    pub(super) fn step(&mut self) -> io::Result<()> {
        let (Some(first), Some(file)) = (self.next, &self.file) else {
            self.next = None;
            return Ok(());
        };
        let pages = file.metadata()?.len() / PAGE as u64;
        let end = pages.min(first + STEP);
        if pages < MAX_PAGES {
            let mut page = [0; PAGE];
            for number in first..end {
                let at = number * PAGE as u64;
                file.read_exact_at(&mut page, at)?;
                if let Some(unused) = unused(&page, number == 0)
                    && page[unused.clone()].iter().any(|byte| *byte != 0)
                {
                    file.write_all_at(&vec![0; unused.len()], at + unused.start as u64)?;
                }
            }
            file.sync_data()?;
        }
        self.next = (end < pages && pages < MAX_PAGES).then_some(end);
        Ok(())
    }
}

/// Records whether traces of erased content may be left in the files.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn note_traces(db: &Connection, are_left: bool) -> rusqlite::Result<()> {
    db.execute("UPDATE store SET traces = ?1", [are_left.then_some(1)]).map(drop)
}

/// Checks whether traces of erased content may be left in the files.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn has_traces(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT traces IS NOT NULL FROM store", [], |row| row.get(0))
}

/// Returns the unused part between the list of rows and the rows themselves, if this is a page of a table.
fn unused(page: &[u8; PAGE], is_first: bool) -> Option<std::ops::Range<usize>> {
    let header = if is_first { FILE_HEADER } else { 0 };
    let header_bytes = match page[header] {
        // Interior pages have the number of another page in their headers.
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let number = |at: usize| usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
    let start = header + header_bytes + 2 * number(header + 3);
    let end = number(header + 5);
    (start <= end && end <= PAGE).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unused_part_of_a_page_of_a_table_is_found() {
        let mut page = [7; PAGE];
        page[..8].copy_from_slice(&[13, 0, 0, 0, 3, 0x0f, 0xa0, 0]);
        assert_eq!(unused(&page, false), Some(14..4_000));
        page[0] = 2;
        assert_eq!(unused(&page, false), Some(18..4_000));
        // An overflow page begins with the number of the next one.
        page[0] = 0;
        assert_eq!(unused(&page, false), None);
        page[..8].copy_from_slice(&[13, 0, 0, 0xff, 0xff, 0x0f, 0xa0, 0]);
        assert_eq!(unused(&page, false), None, "a damaged page");
        page[100..108].copy_from_slice(&[5, 0, 0, 0, 1, 0x0f, 0xa0, 0]);
        assert_eq!(unused(&page, true), Some(114..4_000));
    }
}
