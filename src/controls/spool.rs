//! Buffers lines until all of them are received, so that a slow client does not block other operations.

use std::io::{self, Read, Seek, Write};

/// The maximum size of one request, and the size up to which it is kept in memory.
const MOST_BYTES: u64 = 1 << 30;
const IN_MEMORY: usize = 64 * 1024;

/// Lines that are being received. Larger ones are in a temporary file, which is deleted when it is closed.
#[derive(Debug)]
pub struct Spool {
    file: tempfile::SpooledTempFile,
    bytes: u64,
    most: u64,
}

/// Why lines cannot be buffered.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The request is too large.
    #[error(
        "the lines of one request may have at most {0} bytes, and this one has more; send them in several requests, \
         or use confold import"
    )]
    TooLarge(u64),
    /// The temporary file failed.
    #[error("the temporary file for the lines cannot be used: {0}")]
    File(#[from] io::Error),
}

impl Default for Spool {
    fn default() -> Spool {
        Spool::of(MOST_BYTES)
    }
}

impl Spool {
    fn of(most: u64) -> Spool {
        Spool { file: tempfile::spooled_tempfile(IN_MEMORY), bytes: 0, most }
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// Returns [`SpoolError`].
    pub fn add(&mut self, piece: &[u8]) -> Result<(), SpoolError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.most {
            return Err(SpoolError::TooLarge(self.most));
        }
        Ok(self.file.write_all(piece)?)
    }

    /// Returns everything from the beginning.
    ///
    /// # Errors
    /// Fails if the temporary file fails.
    pub fn into_lines(mut self) -> io::Result<impl Read + Send> {
        self.file.rewind()?;
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_and_more_than_the_limit_is_refused() {
        let mut spool = Spool::of(200_000);
        for _ in 0..2 {
            spool.add(&vec![b'x'; 100_000]).unwrap();
        }
        let refused = spool.add(b"x").unwrap_err().to_string();
        assert!(refused.starts_with("the lines of one request may have at most 200000 bytes"), "{refused}");
        let mut spool = Spool::default();
        spool.add(b"some").unwrap();
        spool.add(b" lines").unwrap();
        assert_eq!(io::read_to_string(spool.into_lines().unwrap()).unwrap(), "some lines");
    }
}
