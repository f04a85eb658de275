//! `--ready-file`: a file that is there while the server answers, and holds its addresses.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::anyhow;

use crate::{
    output::{self, Output, OutputError},
    unfinished,
};

/// How long the server of a file may take to accept a connection; it is on this machine.
const PATIENCE: Duration = Duration::from_millis(500);

/// The file, not written yet or present.
pub(super) struct ReadyFile {
    path: Option<PathBuf>,
    present: Option<PathBuf>,
}

impl ReadyFile {
    /// Makes sure that the file can be written when it is time. One that an earlier server has left behind is removed, so
    /// that it is not taken for that of this server; one whose server still answers stays until this one is ready.
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<ReadyFile> {
        if let Some(path) = path {
            output::check(path).map_err(|error| unusable(&error))?;
            if !is_of_a_living_server(path) {
                output::remove(path).map_err(|error| unusable(&error))?;
            }
        }
        Ok(ReadyFile { path: path.map(Path::to_owned), present: None })
    }

    /// Writes the file. A FIFO waits for its reader, so it is written beside everything else.
    pub(super) fn write(&mut self, plain: SocketAddr, tls: Option<SocketAddr>) {
        let Some(path) = self.path.clone() else { return };
        let text = text(plain, tls);
        if output::may_block(&path) {
            let work = move || note(&path, write(&path, &text).map(drop));
            if let Err(error) = thread::Builder::new().name("ready file".to_owned()).spawn(work) {
                tracing::error!(%error, "the ready file cannot be written");
            }
            return;
        }
        match write(&path, &text) {
            Ok(Some(made)) => match own(&made, &text) {
                Ok(file) => {
                    unfinished::remove_on_exit(&made, file);
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

/// Whether the address in the file takes connections.
fn is_of_a_living_server(path: &Path) -> bool {
    // Anything else, such as a FIFO, could keep its reader waiting.
    if !path.metadata().is_ok_and(|file| file.is_file() && file.len() < 1_024) {
        return false;
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    let address = text.lines().next().and_then(|line| line.strip_prefix("http://")?.parse().ok());
    address.is_some_and(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
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
