//! Files that hold secrets: the configuration, and the keys of apps and certificates. They are used only if other
//! users of the machine can neither read nor change them, both at startup and when they are reloaded.
//!
//! There are two exceptions: files on a file system that is mounted read-only, because containers often mount secrets
//! that way and their mode cannot be changed, and files that everybody can read if `allow_readable_key_files` is set.

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

/// Which users besides its owner and group may have access to a secret file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// No other user.
    #[default]
    Nobody,
    /// Every user may read it, but not change it (the `allow_readable_key_files` setting).
    Everybody,
}

/// Why a secret file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Other users can read or change the file.
    #[error(
        "the file {file} can be read or changed by every user of this machine (mode {mode:04o}); run: chmod o-rwx {file}\
         {}",
        if *mode & 0o002 == 0 { " (confold serve: allow_readable_key_files = true accepts it as it is)" } else { "" }
    )]
    Open {
        /// The path of the file.
        file: PathBuf,
        /// The mode of the file.
        mode: u32,
    },
    /// The file is empty.
    #[error("the file {0} is empty; it must contain the secret")]
    Empty(PathBuf),
    /// The path leads to a folder, a pipe or the like.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    /// The content is not a single word.
    #[error("the file {file} must contain the secret and nothing else, but it {reason}")]
    Malformed {
        /// The path of the file.
        file: PathBuf,
        /// What is wrong with the content.
        reason: SecretWordError,
    },
    /// The content is not UTF-8 text.
    #[error("the file {file} cannot be used: {reason}")]
    NotText {
        /// The path of the file.
        file: PathBuf,
        /// What is wrong with the encoding.
        reason: TextFileError,
    },
}

/// Reads the secret in a file, without line breaks at its end.
///
/// # Errors
/// Returns [`SecretError`], which never shows the content of the file.
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

/// Checks that other users can neither read nor change a file. Its group may: servers that do not run as root are given
/// access to certificates through a group.
///
/// # Errors
/// Returns [`SecretError`] if they can, or if the path is not a regular file.
pub fn check_private(file: &Path, readers: Readers) -> Result<(), SecretError> {
    let metadata =
        fs::metadata(file).map_err(|source| SecretError::Unreadable { file: file.to_owned(), source })?;
    check(file, &metadata, readers, || statvfs(file))
}

/// Reads a file that passes [`check_private`]. The open file is checked again, so that the check holds for the content
/// that is read even if the file is replaced in between.
///
/// # Errors
/// Returns [`SecretError`].
pub fn read_private(file: &Path, readers: Readers) -> Result<Vec<u8>, SecretError> {
    // Check before opening, because opening a named pipe would wait for a writer.
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
