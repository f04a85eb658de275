//! The stream as hyper sees it: bytes that move are noted, and the answer that hyper itself gives to a head it
//! cannot parse is replaced by one of ours.
//!
//! hyper answers such a request with an empty 400, 414 or 431, and has no setting for it. The service answers
//! such requests with status 200 and an outcome in the body. Which bytes are hyper's own is never
//! read from the bytes, because stored text may look like anything. It follows from what happened: hyper wrote
//! out all it had while no request was in work, and now writes although no request has begun since.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{activity::Activity, unparsed::unparsable};

/// How much of a request is read away after the answer, and for how long, before the connection is closed. A
/// client that is still sending would lose the answer otherwise.
const LINGER_BYTES: usize = 64 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// A stream whose activity is noted, and whose refusals by hyper are replaced.
pub(super) struct WatchedStream<S> {
    /// Taken when this is dropped.
    stream: Option<S>,
    activity: Arc<Activity>,
    /// Whether refusals are replaced at all: HTTP/2 has none.
    replaces: bool,
    /// How many requests had begun when hyper had last written out everything and none was in work; nothing
    /// while one is.
    settled: Option<u64>,
    replacing: Option<Replacing>,
    left: Left<S>,
}

/// The answer that takes the place of hyper's.
struct Replacing {
    text: Vec<u8>,
    written: usize,
}

/// Where a stream is put when hyper drops it before the whole request was read.
pub(super) struct Left<S>(Arc<Mutex<Option<S>>>);

impl<S> Clone for Left<S> {
    fn clone(&self) -> Left<S> {
        Left(Arc::clone(&self.0))
    }
}

impl<S> Left<S> {
    /// Nothing yet.
    pub(super) fn new() -> Left<S> {
        Left(Arc::default())
    }

    /// A stream on which an answer was written before the request was read.
    pub(super) fn holding(stream: S) -> Left<S> {
        Left(Arc::new(Mutex::new(Some(stream))))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Left<S> {
    /// Reads on for a moment when a part of the request was left unread, and only then closes.
    pub(super) async fn linger(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut stream) = left else { return };
        let read_away = async {
            // Sends the end of the answer; the other direction stays open.
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
        // However it ends, the connection is over.
        let _ = tokio::time::timeout(LINGER, read_away).await;
    }
}

impl<S> WatchedStream<S> {
    /// A stream for hyper's HTTP/1; one that hyper drops too early is put into `left`.
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

    /// A stream for HTTP/2, on which nothing is replaced.
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

    /// Whether what hyper writes now is an answer of its own making.
    fn is_refusal(&self) -> bool {
        self.replaces && self.settled == Some(self.activity.begun())
    }

    /// Writes the replacement instead of `length` bytes of hyper's, which are the last on this connection.
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

    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
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
        let written = self.stream().poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal() {
            return self.poll_replace(context, parts.iter().map(|part| part.len()).sum());
        }
        let written = self.stream().poll_write_vectored(context, parts);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// hyper flushes when it has written everything it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.settled = self.activity.is_quiet().then(|| self.activity.begun());
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
