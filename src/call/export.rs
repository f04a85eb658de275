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
use crate::{interchange::Export, log_lines::log, store::StoreError};

/// Some lines, or `None` after the last ones.
type Lines = Result<Option<Vec<u8>>, StoreError>;

/// A body whose lines are produced on a separate thread. The next ones are produced only when the previous ones have
/// been sent, so that an export that the client does not read keeps only one piece in memory.
pub(super) struct ExportBody {
    /// Requests the next lines from the thread, which ends when this is dropped.
    wanted: mpsc::Sender<()>,
    made: mpsc::Receiver<Lines>,
    state: State,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next lines can be requested.
    Ready,
    Making,
    Ended,
}

impl ExportBody {
    /// Creates a body and starts the thread that produces its lines.
    ///
    /// # Errors
    /// Fails when the thread cannot be started.
    pub(super) fn new(mut export: Export, permit: OwnedSemaphorePermit) -> io::Result<ExportBody> {
        let (wanted, mut asked) = mpsc::channel(1);
        let (makes, made) = mpsc::channel(1);
        let runtime = Handle::current();
        let work = move || {
            while asked.blocking_recv().is_some() {
                // An error means that the client has disconnected.
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
                // If the thread has ended, `poll_recv` below detects it.
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
                log!(EXPORT_BROKE_OFF, %error);
                Some(Err(error))
            }
            // The thread panicked.
            None => Some(Err(StoreError::Rule)),
        })
    }
}
