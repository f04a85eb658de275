//! The runs of the store: each time it was opened for changes, under a random name.
//!
//! A client's state or cursor names a run, and the number of the last event at that time. The store accepts it if it
//! knows the run and the run had reached that number. A restored copy of the files begins a run of its own, so it accepts
//! nothing that the original gave out after the copy was made.
//!
//! The runs are read when the store is opened, so that a damaged page of their table cannot make a transaction fail. If
//! they cannot be read, the table is replaced, and all clients read everything again once.

use std::sync::{PoisonError, RwLock};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{
    error::committing,
    events::{self, signed, unsigned},
    sums, upgrade,
};
use crate::store::{HistoryPoint, StoreError};

/// The number of runs that are remembered.
const KEPT: usize = 4_096;

/// A run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    id: u64,
    /// The number of the last event when it began. It ended when the next one began.
    began: u64,
}

/// The runs that are remembered, oldest first.
#[derive(Debug)]
pub(super) struct Runs(RwLock<Vec<Run>>);

impl Runs {
    pub(super) fn new(all: Vec<Run>) -> Runs {
        Runs(RwLock::new(all))
    }

    pub(super) fn set(&self, all: Vec<Run>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Returns the current point, if the last event has this number.
    pub(super) fn now(&self, event: u64) -> HistoryPoint {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Run { id, began } = all.last().copied().unwrap_or(Run { id: 0, began: 0 });
        HistoryPoint { run: id, event: event.max(began) }
    }

    /// Checks whether the store has been through this point. `last` is the number of the last event.
    pub(super) fn include(&self, point: HistoryPoint, last: u64) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = all.iter().rposition(|run| run.id == point.run) else { return false };
        let end = all.get(index + 1).map_or(last, |next| next.began);
        (all[index].began..=end).contains(&point.event)
    }
}

/// Begins a run after the last event, and returns all runs. If nothing that clients have got may count any longer, the
/// earlier runs are forgotten; so they are if the last event or the table cannot be read.
///
/// # Errors
/// Returns any error of the store except damage.
pub(super) fn begin(db: &Connection, forgets: bool) -> Result<Vec<Run>, StoreError> {
    // After finding damage in a transaction, SQLite refuses changes in it, so the last event is read before.
    let last = match events::last(db) {
        Ok(head) => Some(head.number).filter(|_| !forgets),
        Err(StoreError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    let add = |transaction: &Connection| match last {
        Some(last) => add(transaction, last),
        None => restart(transaction, 0),
    };
    match in_transaction(db, add).or_else(|error| replaced(error, || in_transaction(db, replace))) {
        // The run is not recorded, so what clients get in it will not count after the next startup.
        Err(StoreError::Damaged { .. }) => Ok(vec![Run { id: random(db)?, began: last.unwrap_or(0) }]),
        runs => runs,
    }
}

/// Forgets all runs and begins a new one after the event with the number `last`, as a part of a transaction.
///
/// # Errors
/// Returns any error of the store.
pub(super) fn restart(db: &Connection, last: u64) -> Result<Vec<Run>, StoreError> {
    db.execute("DELETE FROM run", [])?;
    add(db, last)
}

/// Reads all runs. The runs up to one whose row was changed are left out, because it is not known when they ended.
///
/// # Errors
/// Returns any error of the store.
pub(super) fn read(db: &Connection) -> Result<Vec<Run>, StoreError> {
    let mut statement = db.prepare("SELECT number, id, began, sum FROM run ORDER BY number")?;
    let (mut rows, mut all) = (statement.query([])?, Vec::new());
    while let Some(row) = rows.next()? {
        match sums::check("run", [], row, 3) {
            Ok(()) => {
                all.push(Run { id: row.get::<_, i64>(1)?.cast_unsigned(), began: unsigned(row.get(2)?) });
            }
            Err(_) => all.clear(),
        }
    }
    Ok(all)
}

fn add(db: &Connection, last: u64) -> Result<Vec<Run>, StoreError> {
    let mut all = read(db)?;
    let run = Run { id: random(db)?, began: last };
    db.execute(
        "INSERT INTO run (number, id, began, sum)
         SELECT number, ?1, ?2, row_sum('run', number, ?1, ?2)
         FROM (SELECT coalesce(max(number), 0) + 1 AS number FROM run)",
        params![run.id.cast_signed(), signed(run.began)],
    )?;
    let kept = i64::try_from(KEPT).unwrap_or(i64::MAX);
    db.execute("DELETE FROM run WHERE number <= (SELECT max(number) FROM run) - ?1", [kept])?;
    all.push(run);
    Ok(all.split_off(all.len().saturating_sub(KEPT)))
}

/// Puts an empty table in the place of a damaged one, and begins a run.
fn replace(db: &Connection) -> Result<Vec<Run>, StoreError> {
    let name = format!("damaged_run_{}", random(db)?);
    db.execute_batch(&format!("ALTER TABLE run RENAME TO {name}; {}", upgrade::RUNS))?;
    add(db, 0)
}

fn in_transaction<T>(
    db: &Connection,
    work: impl Fn(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit().map_err(committing)?;
    Ok(result)
}

/// Calls `otherwise` if the error is damage.
fn replaced<T>(
    error: StoreError,
    otherwise: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    if let StoreError::Damaged { .. } = error { otherwise() } else { Err(error) }
}

fn random(db: &Connection) -> Result<u64, StoreError> {
    Ok(db.query_row("SELECT random()", [], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_counts_between_the_beginning_and_the_end_of_its_run() {
        let run = |id, began| Run { id, began };
        let runs = Runs::new(vec![run(7, 0), run(8, 10), run(9, 10), run(5, 14)]);
        let points = |id, last| -> Vec<u64> {
            (0..20).filter(|event| runs.include(HistoryPoint { run: id, event: *event }, last)).collect()
        };
        let expected: [(u64, Vec<u64>); 5] = [
            (7, (0..=10).collect()),
            (8, vec![10]),
            (9, (10..=14).collect()),
            (5, (14..=16).collect()),
            (6, vec![]),
        ];
        for (id, events) in expected {
            assert_eq!(points(id, 16), events, "{id}");
        }
        assert_eq!(runs.now(16), HistoryPoint { run: 5, event: 16 });
        assert_eq!(runs.now(3), HistoryPoint { run: 5, event: 14 });
    }
}
