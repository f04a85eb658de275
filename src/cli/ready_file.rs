//! `--ready-file`: a file that is there while the server answers, and holds its address.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
};

use anyhow::Context;

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
    /// Makes sure that the file can be written when it is time. One that an earlier server has left behind is
    /// removed, so nobody takes it for this one's.
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<ReadyFile> {
        if let Some(path) = path {
            output::check(path).and_then(|()| output::remove(path)).context("--ready-file")?;
        }
        Ok(ReadyFile { path: path.map(Path::to_owned), present: None })
    }

    /// Writes the file. A FIFO waits for its reader, so it is written beside everything else.
    pub(super) fn write(&mut self, address: SocketAddr) {
        let Some(path) = self.path.clone() else { return };
        if output::waits(&path) {
            let work = move || note(&path, write(&path, address).map(drop));
            if let Err(error) = thread::Builder::new().name("ready file".to_owned()).spawn(work) {
                tracing::error!(%error, "the ready file cannot be written");
            }
            return;
        }
        match write(&path, address) {
            Ok(made) => {
                if let Some(file) = &made {
                    unfinished::remember(file);
                }
                self.present = made;
            }
            failed => note(&path, failed.map(drop)),
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

fn write(path: &Path, address: SocketAddr) -> Result<Option<PathBuf>, OutputError> {
    let mut out = Output::open(path)?;
    out.write(format!("http://{address}\n").as_bytes())?;
    out.finish()
}

fn note(path: &Path, written: Result<(), OutputError>) {
    if let Err(error) = written {
        let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(error = why, "the ready file {} cannot be written", path.display());
    }
}
