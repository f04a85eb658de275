//! `--ready-file`: a file that exists while the server is ready, and contains its addresses.

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
    log_lines::log,
    output::{self, Output, OutputError},
    unfinished,
};

/// How long to wait for a connection to the server of an existing file. It is on this machine, so this is long
/// enough.
const PATIENCE: Duration = Duration::from_millis(500);

/// The ready file. It is removed when this is dropped.
pub(super) struct ReadyFile {
    path: Option<PathBuf>,
    present: Option<PathBuf>,
}

impl ReadyFile {
    /// Checks that the file can be written. A file that an earlier server left behind is removed, so that it is not mistaken
    /// for that of this server. If its server still accepts connections, it stays until this server is ready.
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<ReadyFile> {
        if let Some(path) = path {
            output::check(path).map_err(|error| unusable(&error))?;
            if !is_of_a_living_server(path) {
                output::remove(path).map_err(|error| unusable(&error))?;
            }
        }
        Ok(ReadyFile { path: path.map(Path::to_owned), present: None })
    }

    /// Writes the file. A FIFO is written by a thread, because opening it waits for a reader.
    pub(super) fn write(&mut self, plain: SocketAddr, tls: Option<SocketAddr>) {
        let Some(path) = self.path.clone() else { return };
        let text = text(plain, tls);
        if output::may_block(&path) {
            let work = move || note(&path, write(&path, &text).map(drop));
            if let Err(error) = thread::Builder::new().name("ready file".to_owned()).spawn(work) {
                log!(NO_THREAD_FOR_READY_FILE, %error);
            }
            return;
        }
        match write(&path, &text) {
            Ok(Some(made)) => match own(&made, &text) {
                Ok(file) => {
                    unfinished::remove_on_exit(&made, file);
                    self.present = Some(made);
                }
                Err(error) => log!(READY_FILE_REPLACED[made.display()], %error),
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

/// Returns whether a server accepts connections at the address in the file.
fn is_of_a_living_server(path: &Path) -> bool {
    // Reading anything else, such as a FIFO, could block.
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

/// Formats the addresses. Plain HTTP comes first, because scripts that read a single line work with any client then.
fn text(plain: SocketAddr, tls: Option<SocketAddr>) -> String {
    let tls = tls.map_or_else(String::new, |address| match address.ip().is_unspecified() {
        // The certificate does not include the unspecified address.
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

/// Opens the file that was written, and checks that no other program has overwritten it in the meantime.
fn own(path: &Path, text: &str) -> io::Result<File> {
    let file = File::open(path)?;
    match io::read_to_string(&file)? == text {
        true => Ok(file),
        false => Err(io::Error::other("another program has overwritten it")),
    }
}

/// Returns a hint for an error, in parentheses.
fn cure(error: &OutputError) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (the folder of the file must exist)",
        io::ErrorKind::NotADirectory => " (a part of the path is a file)",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (this user must be able to write to the folder of the file)"
        }
        _ => "",
    }
}

fn note(path: &Path, written: Result<(), OutputError>) {
    if let Err(error) = written {
        let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        log!(READY_FILE_UNWRITTEN[path.display()], error = why);
    }
}
