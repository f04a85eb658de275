//! `--ready-file`: a file that is there while the server answers, and holds its addresses.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
};

use anyhow::anyhow;

use crate::{
    output::{self, Output, OutputError},
    unfinished,
};

/// The file, not written yet or present.
pub(super) struct ReadyFile {
    path: Option<PathBuf>,
    present: Option<PathBuf>,
}

impl ReadyFile {
    /// Makes sure that the file can be written when it is time.
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<ReadyFile> {
        path.map_or(Ok(()), output::check).map_err(|error| unusable(&error))?;
        Ok(ReadyFile { path: path.map(Path::to_owned), present: None })
    }

    /// Removes a file that an earlier server has left behind, so that it is not taken for that of this server. Called
    /// when this server has its addresses: before, the file may be that of a server that runs and has them.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        self.path.as_deref().map_or(Ok(()), output::remove).map_err(|error| unusable(&error))
    }

    /// Writes the file. A FIFO waits for its reader, so it is written beside everything else.
    pub(super) fn write(&mut self, plain: SocketAddr, tls: Option<SocketAddr>) {
        let Some(path) = self.path.clone() else { return };
        let text = text(plain, tls);
        if output::waits(&path) {
            let work = move || note(&path, write(&path, &text).map(drop));
            if let Err(error) = thread::Builder::new().name("ready file".to_owned()).spawn(work) {
                tracing::error!(%error, "the ready file cannot be written");
            }
            return;
        }
        match write(&path, &text) {
            Ok(Some(made)) => match own(&made, &text) {
                Ok(file) => {
                    unfinished::remember(&made, file);
                    self.present = Some(made);
                }
                Err(error) => tracing::warn!(
                    %error,
                    "the ready file {} is not that of this server any more, and will not be removed by it",
                    made.display()
                ),
            },
            written => note(&path, written.map(drop)),
        }
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Some(file) = &self.present {
            unfinished::remove(file);
        }
    }
}

fn unusable(error: &OutputError) -> anyhow::Error {
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    anyhow!("--ready-file: {error}: {why}{}", cure(error))
}

/// Plain HTTP comes first: who reads one line gets what every client can use.
fn text(plain: SocketAddr, tls: Option<SocketAddr>) -> String {
    let tls = tls.map_or_else(String::new, |address| match address.ip().is_unspecified() {
        // The certificate has no such address.
        true => format!("https://localhost:{}\n", address.port()),
        false => format!("https://{address}\n"),
    });
    format!("http://{plain}\n{tls}")
}

fn write(path: &Path, text: &str) -> Result<Option<PathBuf>, OutputError> {
    let mut out = Output::open(path)?;
    out.write(text.as_bytes())?;
    out.finish()
}

/// The file that was written, opened again. Another server may have been faster to put its own in that place.
fn own(path: &Path, text: &str) -> io::Result<File> {
    let file = File::open(path)?;
    match io::read_to_string(&file)? == text {
        true => Ok(file),
        false => Err(io::Error::other("another server has written it")),
    }
}

/// What helps when the path cannot be used.
fn cure(error: &OutputError) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (the folder of the file has to be there)",
        io::ErrorKind::NotADirectory => " (a part of the path is a file)",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (the folder of the file has to be writable for this user)"
        }
        _ => "",
    }
}

fn note(path: &Path, written: Result<(), OutputError>) {
    if let Err(error) = written {
        let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(error = why, "the ready file {} cannot be written", path.display());
    }
}
