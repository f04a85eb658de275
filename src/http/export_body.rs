//! An export as the body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, task::JoinHandle};

use super::activity::InFlight;
use crate::{interchange::Export, store::StoreError};

type Next = JoinHandle<(Export, Result<Option<Vec<u8>>, StoreError>)>;

/// Lines that are made on a thread of their own. The next ones are made when the ones before have been taken, so that an
/// export that nobody reads holds one piece.
pub(super) struct ExportBody {
    state: State,
    _permit: OwnedSemaphorePermit,
    /// Held until the body has ended.
    in_flight: Option<InFlight>,
}

enum State {
    /// The next lines can be made.
    Ready(Box<Export>),
    Making(Next),
    Ended,
}

impl ExportBody {
    pub(super) fn new(export: Export, permit: OwnedSemaphorePermit) -> ExportBody {
        ExportBody { state: State::Ready(Box::new(export)), _permit: permit, in_flight: None }
    }

    /// Keeps the request in work until the body has ended.
    pub(super) fn keep(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }

    fn go_on(mut export: Export) -> Next {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let lines = runtime.block_on(export.next());
            (export, lines)
        })
    }

    /// The next lines. When the store fails the body breaks off, so that nobody takes it for whole.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let mut making = match std::mem::replace(&mut self.state, State::Ended) {
            State::Ready(export) => ExportBody::go_on(*export),
            State::Making(making) => making,
            State::Ended => return Poll::Ready(None),
        };
        let Poll::Ready(made) = Pin::new(&mut making).poll(context) else {
            self.state = State::Making(making);
            return Poll::Pending;
        };
        Poll::Ready(match made {
            Ok((export, Ok(Some(lines)))) => {
                self.state = State::Ready(Box::new(export));
                let lines = match &self.in_flight {
                    Some(request) => request.count(lines),
                    None => lines.into(),
                };
                Some(Ok(Frame::data(lines)))
            }
            Ok((_, Ok(None))) => None,
            Ok((_, Err(error))) => {
                tracing::error!(%error, "an export broke off");
                Some(Err(error))
            }
            Err(_) => Some(Err(StoreError::Rule)),
        })
    }
}
