//! Named snapshots of the store that can be restored.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Seek, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    clock::Clock,
    domain::Limits,
    excerpt::quoted,
    interchange::{Export, ImportTerms, IntakeError, Purpose, take_in},
    store::{Scope, Store, StoreError},
    wire::nearest,
};

/// The maximum number of snapshots, each of which is an open file, and the maximum length of a name.
const MOST: usize = 100;
const NAME_BYTES: usize = 256;

/// Why a snapshot cannot be taken or restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// No snapshot has this name.
    #[error("there is no snapshot {}{}", quoted(name), meant.as_ref().map(|meant| format!("; did you mean {}?", quoted(meant))).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// The name of a similar snapshot.
        meant: Option<String>,
    },
    /// The name is empty.
    #[error("the name of the snapshot is empty; choose one, such as start")]
    NoName,
    /// The name is too long.
    #[error("the name of a snapshot may have at most {NAME_BYTES} bytes, found {0}")]
    LongName(usize),
    /// There are too many snapshots.
    #[error(
        "there are already {MOST} snapshots, the maximum; reuse the name of one of them, or remove some with DELETE /_dev/snapshots"
    )]
    Many,
    /// The temporary file failed.
    #[error("the temporary file cannot be used: {0}")]
    File(#[from] io::Error),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// An exported line could not be imported again, which is a defect.
    #[error("the snapshot cannot be restored completely: {0}")]
    Line(String),
}

impl From<IntakeError> for SnapshotError {
    fn from(error: IntakeError) -> SnapshotError {
        match error {
            IntakeError::Input(error) => SnapshotError::File(error),
            IntakeError::Store(error) => SnapshotError::Store(error),
        }
    }
}

/// Snapshots in temporary files, which are deleted when the server ends.
#[derive(Debug, Default)]
pub struct Snapshots(Mutex<BTreeMap<String, Arc<File>>>);

/// One snapshot.
#[derive(Debug)]
pub struct Snapshot(Arc<File>);

impl Snapshot {
    /// Restores the snapshot. The store is emptied first, so this must not be interrupted. Calls during the restoration see
    /// a partial state.
    ///
    /// # Errors
    /// Returns [`SnapshotError`].
    pub async fn bring_back(&self, store: &dyn Store, clock: Clock) -> Result<u64, SnapshotError> {
        let file = &self.0;
        store.reset(Scope::All).await?;
        (&**file).rewind()?;
        let terms = ImportTerms::of_tools(Purpose::Apply, Limits::OPEN, clock);
        let outcome = take_in(store, terms, &**file).await?;
        match outcome.faults.first() {
            Some((number, reason)) => Err(SnapshotError::Line(format!("line {number}: {reason}"))),
            None => Ok(outcome.lines),
        }
    }
}

impl Snapshots {
    /// Saves the current state under a name. A previous snapshot of that name is replaced.
    ///
    /// # Errors
    /// Returns [`SnapshotError`].
    pub async fn take(&self, name: String, store: Arc<dyn Store>) -> Result<(), SnapshotError> {
        if name.is_empty() {
            return Err(SnapshotError::NoName);
        }
        if name.len() > NAME_BYTES {
            return Err(SnapshotError::LongName(name.len()));
        }
        // The caller holds the lock, so no snapshot is added in the meantime.
        let (count, is_new) = {
            let kept = self.kept();
            (kept.len(), !kept.contains_key(&name))
        };
        if is_new && count >= MOST {
            return Err(SnapshotError::Many);
        }
        let mut file = BufWriter::new(tempfile::tempfile()?);
        let mut export = Export::new(store, None);
        while let Some(lines) = export.next().await? {
            file.write_all(&lines)?;
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.kept().insert(name, Arc::new(file));
        Ok(())
    }

    /// Finds a snapshot by its name.
    ///
    /// # Errors
    /// Fails if there is no snapshot with this name.
    pub fn find(&self, name: &str) -> Result<Snapshot, SnapshotError> {
        let found = self.kept().get(name).cloned();
        found.map(Snapshot).ok_or_else(|| self.unknown(name))
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// Fails if there is no snapshot with this name.
    pub fn remove(&self, name: &str) -> Result<(), SnapshotError> {
        let removed = self.kept().remove(name);
        removed.map(drop).ok_or_else(|| self.unknown(name))
    }

    /// Removes all snapshots and returns how many there were.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut *self.kept()).len()
    }

    /// Returns the names of all snapshots.
    pub fn names(&self) -> Vec<String> {
        self.kept().keys().cloned().collect()
    }

    fn unknown(&self, name: &str) -> SnapshotError {
        let meant = nearest(name, self.kept().keys().map(String::as_str)).map(str::to_owned);
        SnapshotError::Unknown { name: name.to_owned(), meant }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Arc<File>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
