//! The files of an import as one stream of lines, which may be read more than once.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::Context;

use super::progress::{Counter, Progress};
use crate::interchange::uncompressed;

/// All files, pipes spooled.
pub(super) struct Input {
    files: Vec<(String, File)>,
    bytes: u64,
}

/// One reading of them all. Each file ends with a line feed, whether it has one or not.
pub(super) struct Reading<'a> {
    files: std::slice::Iter<'a, (String, File)>,
    current: Option<Box<dyn Read + 'a>>,
    ended: bool,
    names: Vec<&'a str>,
    /// Lines before each file that was begun.
    pub(super) before: Vec<u64>,
    lines: u64,
    progress: Progress,
}

impl Input {
    /// Opens the files; `-` is standard input. What cannot be read twice is spooled.
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

    /// Begins to read from the start; `what` is told beside the progress, on a terminal.
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
    /// Takes the bar away, so that a message can take its place.
    pub(super) fn end_progress(&self) {
        self.progress.end();
    }

    /// The file and its own line of a line of the whole, as `file:line`.
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

/// An error that names its file.
fn of_file(name: Option<&str>, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", name.unwrap_or("the input")))
}

/// A temporary copy of what can be read only once; it is gone when it is closed.
fn spool(input: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    let progress = Progress::endless("reading");
    let mut counted = Counted { input, counter: progress.counter() };
    io::copy(&mut counted, &mut file)?;
    Ok(file)
}

/// Input of which a progress counts the bytes as they come.
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
