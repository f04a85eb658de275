//! The files of an import, read as a single stream of lines. They can be read more than once.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::Context;

use super::progress::{Counter, Progress};
use crate::interchange::uncompressed;

/// The open files. Pipes are copied to temporary files.
pub(super) struct Input {
    files: Vec<(String, File)>,
    bytes: u64,
}

/// A pass over all files. A line feed is added to a file that does not end with one.
pub(super) struct Reading<'a> {
    files: std::slice::Iter<'a, (String, File)>,
    current: Option<Box<dyn Read + 'a>>,
    ended: bool,
    names: Vec<&'a str>,
    /// For each file read so far, the number of lines in the files before it.
    pub(super) before: Vec<u64>,
    lines: u64,
    progress: Progress,
}

impl Input {
    /// Opens the files; `-` is standard input.
    pub(super) fn open(names: &[String]) -> anyhow::Result<Input> {
        let mut input = Input { files: Vec::new(), bytes: 0 };
        for name in names {
            let (shown, file) = match name.as_str() {
                "-" => ("standard input".to_owned(), spool(io::stdin().lock())?),
                path => {
                    let failed = || format!("cannot read {path}");
                    let file = File::open(Path::new(path)).with_context(failed)?;
                    match file.metadata().with_context(failed)?.is_file() {
                        true => (path.to_owned(), file),
                        false => (path.to_owned(), spool(file).with_context(failed)?),
                    }
                }
            };
            input.bytes += file.metadata()?.len();
            input.files.push((shown, file));
        }
        Ok(input)
    }

    /// Starts a pass over the files. `what` names it in the progress display.
    pub(super) fn read(&self, what: &'static str) -> anyhow::Result<Reading<'_>> {
        for (_, file) in &self.files {
            io::Seek::rewind(&mut &*file)?;
        }
        let progress = Progress::of(what, self.bytes);
        Ok(Reading {
            files: self.files.iter(),
            current: None,
            ended: true,
            names: Vec::new(),
            before: Vec::new(),
            lines: 0,
            progress,
        })
    }
}

impl Reading<'_> {
    /// Removes the progress bar, so that messages can be printed.
    pub(super) fn end_progress(&self) {
        self.progress.end();
    }

    /// Converts a line number of the stream to `file:line`.
    pub(super) fn place(&self, line: u64) -> String {
        let file = self.before.partition_point(|before| *before < line).saturating_sub(1);
        match (self.names.get(file), self.before.get(file)) {
            (Some(name), Some(before)) => format!("{name}:{}", line - before),
            _ => format!("line {line}"),
        }
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(current) = &mut self.current else {
                let Some((name, file)) = self.files.next() else { return Ok(0) };
                self.names.push(name);
                self.before.push(self.lines);
                let counted = Counted { input: file, counter: self.progress.counter() };
                let opened = uncompressed(counted);
                self.current = Some(opened.map_err(|error| of_file(Some(name), &error))?);
                self.ended = true;
                continue;
            };
            let name = self.names.last().copied();
            let read = current.read(buffer).map_err(|error| of_file(name, &error))?;
            if read > 0 {
                self.ended = buffer[read - 1] == b'\n';
                self.lines += buffer[..read].split(|byte| *byte == b'\n').count() as u64 - 1;
                return Ok(read);
            }
            self.current = None;
            if !self.ended && !buffer.is_empty() {
                (buffer[0], self.ended) = (b'\n', true);
                self.lines += 1;
                return Ok(1);
            }
        }
    }
}

/// Adds the name of the file to an error.
fn of_file(name: Option<&str>, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", name.unwrap_or("the input")))
}

/// Copies input that can be read only once to a temporary file, which is removed when it is closed.
fn spool(input: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let progress = Progress::endless("reading");
    let mut counted = Counted { input, counter: progress.counter() };
    io::copy(&mut counted, &mut file)?;
    Ok(file)
}

/// A reader that reports the bytes read to a progress display.
struct Counted<R> {
    input: R,
    counter: Counter,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.counter.inc(read as u64);
        Ok(read)
    }
}
