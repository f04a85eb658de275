//! An export as the body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, task::JoinHandle};

use super::activity::InFlight;
use crate::{interchange::Export, store::StoreError};

type Next = JoinHandle<(Export, Result<Option<Vec<u8>>, StoreError>)>;

/// Lines that are made on a thread of their own, as fast as they are read.
pub(super) struct ExportBody {
    next: Option<Next>,
    _permit: OwnedSemaphorePermit,
    /// Held until the body has ended.
    in_flight: Option<InFlight>,
}

impl ExportBody {
    pub(super) fn new(export: Export, permit: OwnedSemaphorePermit) -> ExportBody {
        ExportBody { next: Some(ExportBody::go_on(export)), _permit: permit, in_flight: None }
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
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let made = ready!(Pin::new(next).poll(context));
        self.next = None;
        Poll::Ready(match made {
            Ok((export, Ok(Some(lines)))) => {
                self.next = Some(ExportBody::go_on(export));
                Some(Ok(Frame::data(lines.into())))
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
