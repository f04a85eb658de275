//! The lines of an import on their way to a server, and those of an export on their way back.

use std::{
    io::{self, Read},
    time::Duration,
};

use super::connection::STALLED;
use crate::clock::Clock;

/// How many bytes of an export the server has to send within [`STALLED`].
const STALLED_BYTES: usize = 1_024;

/// A reader of lines to upload that remembers why reading failed, because ureq reports that as a connection error.
pub(super) struct LineReader<R> {
    pub(super) lines: R,
    pub(super) failure: Option<String>,
}

impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.lines.read(buffer).inspect_err(|error| self.failure = Some(error.to_string()))
    }
}

/// A reader that fails if data comes too slowly. Only time spent waiting for data counts.
pub(super) struct StallGuard<R> {
    lines: R,
    clock: Clock,
    waited: Duration,
    bytes: usize,
}

impl<R: Read> StallGuard<R> {
    pub(super) fn new(lines: R) -> StallGuard<R> {
        StallGuard { lines, clock: Clock::system(), waited: Duration::ZERO, bytes: 0 }
    }
}

impl<R: Read> Read for StallGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.clock.elapsed();
        let read = self.lines.read(buffer).map_err(|error| broken(&error))?;
        self.bytes += read;
        self.waited += self.clock.elapsed().saturating_sub(before);
        if self.bytes >= STALLED_BYTES {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        } else if read > 0 && self.waited > STALLED {
            let said = format!("fewer than {STALLED_BYTES} bytes arrived in {} seconds", STALLED.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, said));
        }
        Ok(read)
    }
}

/// Replaces an error of a stalled or broken download with one without the texts of the libraries.
fn broken(error: &io::Error) -> io::Error {
    let of_ureq = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    let is_late = error.kind() == io::ErrorKind::TimedOut || matches!(of_ureq, Some(ureq::Error::Timeout(_)));
    match is_late {
        true => {
            let said = format!("no data arrived for {} seconds", STALLED.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, said)
        }
        false => io::Error::new(error.kind(), "the connection was closed before the end of the data"),
    }
}
