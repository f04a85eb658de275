//! Secrets in files: read only when nobody else can read them. The configuration, the keys of apps and of
//! certificates, at a start and whenever they are read again, all go through here.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Why a secret file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read or change it.
    #[error(
        "the file {file} can be read or changed by every user of this machine (mode {mode:04o}); run: chmod o-rwx {file}"
    )]
    Open {
        /// Which.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is nothing in it.
    #[error("the file {0} is empty")]
    Empty(PathBuf),
    /// It is something else.
    #[error("{0} is no file")]
    NoFile(PathBuf),
    /// It holds more than one word.
    #[error(
        "the file {0} must hold the secret and nothing else; it has white space or control characters in it"
    )]
    Words(PathBuf),
}

/// The text of a secret file, without the line feed at its end.
///
/// # Errors
/// [`SecretError`], which never shows what is in the file.
pub fn read_secret(file: &Path) -> Result<String, SecretError> {
    let text = String::from_utf8(read_private(file)?).map_err(|_| SecretError::Unreadable {
        file: file.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"),
    })?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(SecretError::Empty(file.to_owned()));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\u{feff}') {
        return Err(SecretError::Words(file.to_owned()));
    }
    Ok(text.to_owned())
}

/// Refuses a file that others can read or change. A group may: that is how certificates are shared
/// with a server that is not root.
///
/// # Errors
/// [`SecretError`].
pub fn check_private(file: &Path) -> Result<(), SecretError> {
    let metadata =
        fs::metadata(file).map_err(|source| SecretError::Unreadable { file: file.to_owned(), source })?;
    check(file, &metadata)
}

/// Reads a file that others can neither read nor change. What is checked is what is read, even when the file is
/// replaced meanwhile.
///
/// # Errors
/// [`SecretError`].
pub fn read_private(file: &Path) -> Result<Vec<u8>, SecretError> {
    // Before it is opened: opening a named pipe would wait for a writer.
    check_private(file)?;
    let unreadable = |source| SecretError::Unreadable { file: file.to_owned(), source };
    let mut open = File::open(file).map_err(unreadable)?;
    check(file, &open.metadata().map_err(unreadable)?)?;
    let mut content = Vec::new();
    open.read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

fn check(file: &Path, metadata: &Metadata) -> Result<(), SecretError> {
    if !metadata.is_file() {
        return Err(SecretError::NoFile(file.to_owned()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    match mode & 0o006 {
        0 => Ok(()),
        _ => Err(SecretError::Open { file: file.to_owned(), mode }),
    }
}
