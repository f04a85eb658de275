//! The lines of a file, one at a time, whatever their bytes.

use std::io::{self, BufRead, Read};

use crate::interchange::LONGEST_LINE;

/// Lines of an input.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    /// Bytes read so far.
    pub(super) read: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Lines<R> {
        Lines { input, line: Vec::new(), number: 0, read: 0 }
    }

    /// The next line with its number, from 1 on, without the line feed; or why it cannot be taken.
    #[expect(
        clippy::type_complexity,
        reason = "a line or why not, numbered, at the end none, if it can be read"
    )]
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Result<&[u8], String>)>> {
        self.line.clear();
        self.number += 1;
        let most = LONGEST_LINE as u64 + 1;
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        self.read += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if self.line.ends_with(b"\n") {
            self.line.pop();
        } else if read as u64 == most {
            self.skip_line()?;
            return Ok(Some((self.number, Err(format!("the line is longer than {LONGEST_LINE} bytes")))));
        }
        Ok(Some((self.number, Ok(&self.line))))
    }

    /// Reads the rest of a line away.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(used);
            self.read += used as u64;
            if ended {
                return Ok(());
            }
        }
    }
}
