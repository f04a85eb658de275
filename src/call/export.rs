//! An export as the body of an answer.

use std::{
    io,
    task::{Context, Poll, ready},
    thread,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
};

use super::answer::Pieces;
use crate::{interchange::Export, store::StoreError};

/// Some lines; nothing when there are no more.
type Lines = Result<Option<Vec<u8>>, StoreError>;

/// Lines that are made on a thread of their own. The next ones are made when the ones before have been taken, so that an
/// export that nobody reads holds one piece.
pub(super) struct ExportBody {
    /// Asks the thread for the next lines; it ends when this is dropped.
    wanted: mpsc::Sender<()>,
    made: mpsc::Receiver<Lines>,
    state: State,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next lines can be made.
    Ready,
    Making,
    Ended,
}

impl ExportBody {
    /// A body, and the thread that makes its lines.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn new(mut export: Export, permit: OwnedSemaphorePermit) -> io::Result<ExportBody> {
        let (wanted, mut asked) = mpsc::channel(1);
        let (makes, made) = mpsc::channel(1);
        let runtime = Handle::current();
        let work = move || {
            while asked.blocking_recv().is_some() {
                // Nobody takes them any more when the client has gone.
                let _ = makes.blocking_send(runtime.block_on(export.next()));
            }
        };
        thread::Builder::new().name("export".to_owned()).spawn(work)?;
        Ok(ExportBody { wanted, made, state: State::Ready, _permit: permit })
    }
}

impl Pieces for ExportBody {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, StoreError>>> {
        match self.state {
            State::Ready => {
                // A thread that has ended is noticed below.
                let _ = self.wanted.try_send(());
                self.state = State::Making;
            }
            State::Making => {}
            State::Ended => return Poll::Ready(None),
        }
        let made = ready!(self.made.poll_recv(context));
        self.state = if matches!(made, Some(Ok(Some(_)))) { State::Ready } else { State::Ended };
        Poll::Ready(match made {
            Some(Ok(Some(lines))) => Some(Ok(lines)),
            Some(Ok(None)) => None,
            Some(Err(error)) => {
                tracing::error!(%error, "an export broke off");
                Some(Err(error))
            }
            // A panic has ended the thread.
            None => Some(Err(StoreError::Rule)),
        })
    }
}
