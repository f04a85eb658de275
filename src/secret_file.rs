//! Secrets in files: read only when nobody else can read them. The configuration, the keys of apps and of
//! certificates, at a start and whenever they are read again, all go through here.
//!
//! Two files that every user can read are used all the same: one on a file system that is mounted read-only, where no
//! mode can be changed – the secrets of a container are mounted so –, and one for which a setting says so.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::{StatVfs, StatVfsMountFlags, fstatvfs, statvfs};

use crate::{
    secret_word::{self, SecretWordError},
    text_file::{self, TextFileError},
};

/// Who may be able to read a secret file, beside its owner and its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// Nobody.
    #[default]
    Nobody,
    /// Every user of the machine, as the setting `allow_readable_key_files` says. They cannot change it.
    Everybody,
}

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
        "the file {file} can be read or changed by every user of this machine (mode {mode:04o}); run: chmod o-rwx {file}\
         {}",
        if *mode & 0o002 == 0 { " (confold serve: allow_readable_key_files = true accepts it as it is)" } else { "" }
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
    NotAFile(PathBuf),
    /// It holds more than one word.
    #[error("the file {file} must hold the secret and nothing else; it {reason}")]
    Malformed {
        /// Which.
        file: PathBuf,
        /// What does not belong there.
        reason: SecretWordError,
    },
    /// It is not text.
    #[error("the file {file} cannot be used: {reason}")]
    NotText {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: TextFileError,
    },
}

/// The text of a secret file, without the line feed at its end.
///
/// # Errors
/// [`SecretError`], which never shows what is in the file.
pub fn read_secret(file: &Path, readers: Readers) -> Result<String, SecretError> {
    let text = text_file::decode(&read_private(file, readers)?)
        .map_err(|reason| SecretError::NotText { file: file.to_owned(), reason })?;
    let text = text.trim_end_matches(['\n', '\r']);
    match secret_word::check(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(SecretWordError::Empty) => Err(SecretError::Empty(file.to_owned())),
        Err(reason) => Err(SecretError::Malformed { file: file.to_owned(), reason }),
    }
}

/// Refuses a file that others can read or change. A group may: that is how certificates are shared
/// with a server that is not root.
///
/// # Errors
/// [`SecretError`].
pub fn check_private(file: &Path, readers: Readers) -> Result<(), SecretError> {
    let metadata =
        fs::metadata(file).map_err(|source| SecretError::Unreadable { file: file.to_owned(), source })?;
    check(file, &metadata, readers, || statvfs(file))
}

/// Reads a file that others can neither read nor change. What is checked is what is read, even when the file is
/// replaced meanwhile.
///
/// # Errors
/// [`SecretError`].
pub fn read_private(file: &Path, readers: Readers) -> Result<Vec<u8>, SecretError> {
    // Before it is opened: opening a named pipe would wait for a writer.
    check_private(file, readers)?;
    let unreadable = |source| SecretError::Unreadable { file: file.to_owned(), source };
    let mut open = File::open(file).map_err(unreadable)?;
    check(file, &open.metadata().map_err(unreadable)?, readers, || fstatvfs(&open))?;
    let mut content = Vec::new();
    open.read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

fn check(
    file: &Path,
    metadata: &Metadata,
    readers: Readers,
    file_system: impl Fn() -> rustix::io::Result<StatVfs>,
) -> Result<(), SecretError> {
    if !metadata.is_file() {
        return Err(SecretError::NotAFile(file.to_owned()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    let is_read_only = || file_system().is_ok_and(|known| known.f_flag.contains(StatVfsMountFlags::RDONLY));
    match mode & 0o006 {
        0 => Ok(()),
        0o004 if readers == Readers::Everybody => Ok(()),
        _ if is_read_only() => Ok(()),
        _ => Err(SecretError::Open { file: file.to_owned(), mode }),
    }
}
