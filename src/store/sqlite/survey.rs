//! Checks whether a store could be opened in a directory, without creating, opening or locking anything.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use super::files::database;
use crate::private::{can_read_and_write, can_write_into, is_kernel_file_system};
use crate::store::OpenError;

/// Checks whether a server could use this directory. If `create` is set, the directory and the store need not exist.
///
/// # Errors
/// Returns the [`OpenError`] that opening the store would return, if it can be found out without opening it.
pub(in crate::store) fn survey(directory: &Path, create: bool) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
    let (database, lock) = (database(directory), directory.join("lock"));
    if directory.exists() && !directory.is_dir() {
        return Err(failed(io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory")));
    }
    if !create && fs::metadata(&database).map_or(0, |file| file.len()) == 0 {
        let had_one = fs::metadata(&lock).is_ok_and(|lock| lock.len() > 0);
        return Err(OpenError::NoStore { directory: directory.to_owned(), had_one });
    }
    // Find the lowest existing parent, in which the first missing folder would be created.
    let above = std::path::absolute(directory).map_err(failed)?;
    let above = above.ancestors().find(|folder| folder.symlink_metadata().is_ok()).unwrap_or(directory);
    if !above.is_dir() {
        let said = format!("{} is not a directory", above.display());
        return Err(failed(io::Error::new(io::ErrorKind::NotADirectory, said)));
    }
    let cannot = |file: &Path, error: io::Error| {
        failed(io::Error::new(error.kind(), format!("{} cannot be written: {error}", file.display())))
    };
    if is_kernel_file_system(above) {
        let said = format!("{} belongs to the kernel, and no files can be kept there", above.display());
        return Err(failed(io::Error::new(io::ErrorKind::Unsupported, said)));
    }
    can_write_into(above).map_err(|error| cannot(above, error))?;
    if lock.exists() {
        can_read_and_write(&lock).map_err(|error| cannot(&lock, error))?;
    }
    Ok(())
}

/// Checks whether the database exists and cannot be written. A server would then refuse every change.
#[must_use]
pub(in crate::store) fn is_read_only(directory: &Path) -> bool {
    let database = database(directory);
    database.exists() && can_read_and_write(&database).is_err()
}

/// Checks whether a server holds the lock of a directory. On systems without `/proc/locks`, this is always false.
#[must_use]
pub(in crate::store) fn is_in_use(directory: &Path) -> bool {
    let Ok(lock) = fs::metadata(directory.join("lock")) else { return false };
    let inode = format!(":{}", lock.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1) == Some(&"FLOCK") && words.get(5).is_some_and(|file| file.ends_with(&inode))
    })
}
