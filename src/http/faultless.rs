//! The stream as hyper sees it: what comes in is noted, and one thing is mended on the way out, what
//! hyper itself answers to a request that it cannot parse.
//!
//! hyper answers such a request with an empty 400, 414 or 431, and has no setting for it. On this
//! service every answer has status 200 and its outcome in the body (decision 22), so that answer is
//! replaced by ours. It is always the last on its connection.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{answer, pace::Pace};

/// A stream whose answers of hyper's own are replaced, and whose pace is noted.
pub(super) struct Faultless<S> {
    stream: S,
    pace: Arc<Pace>,
    /// The replacement, how much of it is written, and the length of what it replaces.
    replacing: Option<(Vec<u8>, usize, usize)>,
}

impl<S: AsyncWrite + Unpin> Faultless<S> {
    pub(super) fn new(stream: S, pace: Arc<Pace>) -> Faultless<S> {
        Faultless { stream, pace, replacing: None }
    }

    fn poll_replace(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some((text, written, replaced)) = &mut self.replacing else { return Poll::Ready(Ok(0)) };
        while *written < text.len() {
            *written += ready!(Pin::new(&mut self.stream).poll_write(context, &text[*written..]))?;
        }
        let replaced = *replaced;
        self.replacing = None;
        Poll::Ready(Ok(replaced))
    }

    /// Whether these bytes begin an answer of hyper's own: an error status, and none of the headers
    /// that every answer of ours has.
    fn is_hyper_s_own(bytes: &[u8]) -> bool {
        let ours = b"access-control-allow-origin";
        bytes.starts_with(b"HTTP/1.1 4") && !bytes.windows(ours.len()).any(|part| part == ours)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Faultless<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pace.receive();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Faultless<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.replacing.is_none() && Self::is_hyper_s_own(bytes) {
            self.replacing =
                Some((answer::unparsable("the head of the request cannot be read"), 0, bytes.len()));
        }
        if self.replacing.is_some() {
            return self.poll_replace(context);
        }
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if polled.is_ready() {
            self.pace.send();
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = parts.first().map_or(&[][..], |part| part);
        if self.replacing.is_some() || Self::is_hyper_s_own(first) {
            return self.poll_write(context, first);
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        if polled.is_ready() {
            self.pace.send();
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
