//! The work of the reader threads.

use super::{caller::Caller, reader::Reader};
use crate::{
    domain::Owner,
    store::{Loaded, StoreError, guarded},
};

/// One piece of work for a reader thread.
pub(super) enum Work {
    /// Load an owner, for all callers who asked for this owner before the read began.
    Load(Owner, Vec<Caller<Loaded>>),
    /// Read something else, for one caller.
    Read(Box<dyn ReadTask>),
}

/// A read for one caller.
pub(super) trait ReadTask: Send {
    /// Checks whether the caller is still waiting.
    fn is_wanted(&self) -> bool;
    /// Reads and answers the caller, unless the caller has left.
    fn run(self: Box<Self>, reader: &Reader);
}

/// A task that runs a function.
pub(super) struct Read<T, F> {
    pub(super) read: F,
    pub(super) caller: Caller<T>,
}

impl<T: Send, F: FnOnce(&Reader) -> Result<T, StoreError> + Send> ReadTask for Read<T, F> {
    fn is_wanted(&self) -> bool {
        self.caller.is_waiting()
    }

    fn run(self: Box<Self>, reader: &Reader) {
        let Read { read, caller } = *self;
        if caller.begin() {
            caller.answer(guarded(|| read(reader)).and_then(|outcome| outcome));
        }
    }
}

impl Work {
    pub(super) fn run(self, reader: &Reader) {
        match self {
            Work::Read(task) => task.run(reader),
            Work::Load(owner, mut callers) => {
                callers.retain(Caller::begin);
                if !callers.is_empty() {
                    let loaded = guarded(|| reader.owner(&owner)).and_then(|outcome| outcome);
                    for caller in callers {
                        caller.answer(loaded.clone());
                    }
                }
            }
        }
    }
}
