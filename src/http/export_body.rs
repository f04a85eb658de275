//! An export as the body of an answer.

use std::{
    io,
    task::{Context, Poll, ready},
    thread,
};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
};

use super::activity::InFlight;
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
    /// Held until the body has ended.
    in_flight: Option<InFlight>,
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
        Ok(ExportBody { wanted, made, state: State::Ready, _permit: permit, in_flight: None })
    }

    /// Keeps the request in work until the body has ended.
    pub(super) fn keep(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }

    /// The next lines. When the store fails the body breaks off, so that nobody takes it for whole.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
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
            Some(Ok(Some(lines))) => {
                let lines = match &self.in_flight {
                    Some(request) => request.count(lines),
                    None => lines.into(),
                };
                Some(Ok(Frame::data(lines)))
            }
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
