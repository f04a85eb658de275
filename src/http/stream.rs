//! Wraps the stream that hyper reads and writes. It records the bytes that move, and replaces the answer that hyper
//! itself gives to a head it cannot parse.
//!
//! hyper answers such a request with an empty 400, 414 or 431 and has no setting for it, whereas the original service
//! sends status 200 and an error in the body. The bytes alone do not reveal whether hyper made an answer, because
//! stored text may look like anything. The order of events does reveal it: if hyper had written out everything while no
//! request was in progress, and now writes although no request has begun since, the answer is its own.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{activity::Activity, unparsed::unparsable};

/// How much of a request is read and discarded after the answer, and for how long, before the connection is closed.
/// Otherwise, a client that is still sending would lose the answer.
const LINGER_BYTES: usize = 64 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// A stream that records its activity and replaces hyper's own refusals.
pub(super) struct WatchedStream<S> {
    /// `None` only while this is being dropped.
    stream: Option<S>,
    activity: Arc<Activity>,
    /// Whether refusals are replaced. In HTTP/2 there are none.
    replaces: bool,
    /// How many requests had begun when hyper last flushed while none was in progress; `None` if one was in progress.
    settled: Option<u64>,
    replacing: Option<Replacing>,
    left: Left<S>,
}

/// The answer that replaces hyper's.
struct Replacing {
    text: Vec<u8>,
    written: usize,
}

/// Receives the stream if hyper drops it before the whole request was read.
pub(super) struct Left<S>(Arc<Mutex<Option<S>>>);

impl<S> Clone for Left<S> {
    fn clone(&self) -> Left<S> {
        Left(Arc::clone(&self.0))
    }
}

impl<S> Left<S> {
    /// Creates an empty slot.
    pub(super) fn new() -> Left<S> {
        Left(Arc::default())
    }

    /// Holds a stream on which an answer was written before the request was read.
    pub(super) fn holding(stream: S) -> Left<S> {
        Left(Arc::new(Mutex::new(Some(stream))))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Left<S> {
    /// Keeps reading for a moment if a part of the request was left unread, and then closes.
    pub(super) async fn linger(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut stream) = left else { return };
        let read_away = async {
            // Send the end of the answer; the other direction stays open.
            stream.shutdown().await?;
            let mut scratch = vec![0; 16 * 1024];
            let mut left = LINGER_BYTES;
            while left > 0 {
                match stream.read(&mut scratch).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        // The outcome does not matter, because the connection is being closed.
        let _ = tokio::time::timeout(LINGER, read_away).await;
    }
}

impl<S> WatchedStream<S> {
    /// Wraps a stream for hyper's HTTP/1. If hyper drops it too early, it is moved to `left`.
    pub(super) fn http1(stream: S, activity: Arc<Activity>, left: Left<S>) -> WatchedStream<S> {
        WatchedStream {
            stream: Some(stream),
            activity,
            replaces: true,
            settled: Some(0),
            replacing: None,
            left,
        }
    }

    /// Wraps a stream for HTTP/2, on which nothing is replaced.
    pub(super) fn http2(stream: S, activity: Arc<Activity>) -> WatchedStream<S> {
        let mut watched = WatchedStream::http1(stream, activity, Left::new());
        watched.replaces = false;
        watched
    }
}

impl<S: AsyncWrite + Unpin> WatchedStream<S> {
    fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(self.stream.as_mut().expect("the stream is taken only by the drop"))
    }

    /// Returns whether hyper is now writing an answer of its own.
    fn is_refusal(&self) -> bool {
        self.replaces && self.settled == Some(self.activity.begun())
    }

    /// Writes the replacement instead of the `length` bytes from hyper, which are the last ones on this connection.
    fn poll_replace(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        let replacing = self.replacing.get_or_insert_with(|| {
            self.activity.leave_unread();
            Replacing { text: unparsable("the head of the request cannot be read"), written: 0 }
        });
        let stream = self.stream.as_mut().expect("the stream is taken only by the drop");
        while replacing.written < replacing.text.len() {
            let rest = &replacing.text[replacing.written..];
            replacing.written += ready!(Pin::new(&mut *stream).poll_write(context, rest))?;
        }
        Poll::Ready(Ok(length))
    }

    /// Writes, and records how much was written and, for some streams, how long it took.
    fn write_by(
        &mut self,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(self.stream.as_mut().expect("the stream is taken only by the drop"));
        let written = match self.activity.sending_time.get() {
            None => write(stream),
            Some(time) => time.measure(|| write(stream)),
        };
        if let Poll::Ready(Ok(bytes)) = &written {
            self.activity.send(*bytes);
        }
        written
    }
}

impl<S> Drop for WatchedStream<S> {
    fn drop(&mut self) {
        if self.activity.has_unread() {
            *self.left.0.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.stream().poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.activity.receive(read);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal() {
            return self.poll_replace(context, bytes.len());
        }
        self.write_by(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal() {
            return self.poll_replace(context, parts.iter().map(|part| part.len()).sum());
        }
        self.write_by(|stream| stream.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// hyper flushes after it has written everything it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.settled = self.activity.is_quiet().then(|| self.activity.begun());
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
