//! States of the store to come back to, by name.

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
    interchange::{Export, IntakeError, Purpose, Terms, UnknownFields, take_in},
    store::{Scope, Store, StoreError},
    wire::nearest,
};

/// How many snapshots there may be at once, each an open file, and how long the name of one may be.
const MOST: usize = 100;
const NAME_BYTES: usize = 256;

/// Why a state cannot be kept or brought back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is none of this name.
    #[error("there is no snapshot {}{}", quoted(name), meant.as_ref().map(|meant| format!("; did you mean {}?", quoted(meant))).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// The name of a snapshot that looks like it.
        meant: Option<String>,
    },
    /// It has no name.
    #[error("the name of a snapshot is empty; give it one, such as start")]
    NoName,
    /// Its name is too long.
    #[error("the name of a snapshot has at most {NAME_BYTES} bytes, found {0}")]
    LongName(usize),
    /// There are too many.
    #[error(
        "there are {MOST} snapshots, as many as there may be; use the name of one of them again, or remove some with DELETE /_dev/snapshots"
    )]
    Many,
    /// The temporary file failed.
    #[error("the temporary file failed: {0}")]
    File(#[from] io::Error),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A line that was exported could not be taken back: a defect.
    #[error("the snapshot cannot be brought back whole: {0}")]
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

/// Snapshots, in temporary files that are gone when the server ends.
#[derive(Debug, Default)]
pub struct Snapshots(Mutex<BTreeMap<String, Arc<File>>>);

/// One of them.
#[derive(Debug)]
pub struct Snapshot(Arc<File>);

impl Snapshot {
    /// Brings its state back: everything is forgotten first, so that this must come to its end. Calls made meanwhile see
    /// parts of it.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn bring_back(&self, store: &dyn Store, clock: Clock) -> Result<u64, SnapshotError> {
        let file = &self.0;
        store.reset(Scope::All).await?;
        (&**file).rewind()?;
        let unknown = UnknownFields::Refused;
        let terms = Terms { purpose: Purpose::Apply, limits: Limits::OPEN, only: None, unknown, clock };
        let outcome = take_in(store, terms, &**file).await?;
        match outcome.faults.first() {
            Some((number, reason)) => Err(SnapshotError::Line(format!("line {number}: {reason}"))),
            None => Ok(outcome.lines),
        }
    }
}

impl Snapshots {
    /// Keeps the present state under a name, in the place of what had that name.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn take(&self, name: String, store: Arc<dyn Store>) -> Result<(), SnapshotError> {
        if name.is_empty() {
            return Err(SnapshotError::NoName);
        }
        if name.len() > NAME_BYTES {
            return Err(SnapshotError::LongName(name.len()));
        }
        // Snapshots are taken one after the other, so none is added meanwhile.
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

    /// The snapshot of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, name: &str) -> Result<Snapshot, SnapshotError> {
        let found = self.kept().get(name).cloned();
        found.map(Snapshot).ok_or_else(|| self.unknown(name))
    }

    /// Removes one of them.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn remove(&self, name: &str) -> Result<(), SnapshotError> {
        let removed = self.kept().remove(name);
        removed.map(drop).ok_or_else(|| self.unknown(name))
    }

    /// Removes all; how many there were.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut *self.kept()).len()
    }

    /// The names there are.
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
