//! States of the store to come back to, by name.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Seek, Write},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    clock::Clock,
    domain::Limits,
    interchange::{Export, IntakeError, Purpose, Terms, take_in},
    store::{Scope, Store, StoreError},
};

/// How many snapshots there may be at once, each an open file, and how long the name of one may be.
const MOST: usize = 100;
const NAME_BYTES: usize = 256;

/// Why a state cannot be kept or brought back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is none of this name.
    #[error("there is no snapshot {}", crate::excerpt::quoted(.0))]
    Unknown(String),
    /// Its name is too long.
    #[error("the name of a snapshot has at most {NAME_BYTES} bytes, found {0}")]
    LongName(usize),
    /// There are too many.
    #[error("there are {MOST} snapshots, as many as there may be; use the name of one of them again")]
    Many,
    /// The temporary file failed.
    #[error("the temporary file of the snapshot failed: {0}")]
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

impl Snapshots {
    /// Keeps the present state under a name, in the place of what had that name.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn take(&self, name: String, store: Arc<dyn Store>) -> Result<(), SnapshotError> {
        if name.len() > NAME_BYTES {
            return Err(SnapshotError::LongName(name.len()));
        }
        // Snapshots are taken one after the other, so none is added meanwhile.
        let (count, is_new) = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(file));
        Ok(())
    }

    /// Brings a state back: everything is forgotten first. Calls made meanwhile see parts of it.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn restore(&self, name: &str, store: &dyn Store, clock: Clock) -> Result<u64, SnapshotError> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let file = found.ok_or_else(|| SnapshotError::Unknown(name.to_owned()))?;
        store.reset(Scope::All).await?;
        (&*file).rewind()?;
        let terms = Terms { purpose: Purpose::Apply, limits: Limits::OPEN, only: None, clock };
        let outcome = take_in(store, terms, &*file).await?;
        match outcome.faults.first() {
            Some((number, reason)) => Err(SnapshotError::Line(format!("line {number}: {reason}"))),
            None => Ok(outcome.lines),
        }
    }

    /// The names there are.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}
