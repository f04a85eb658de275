//! Temporary files and folders that are removed when they are dropped, and also when a signal ends the process.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{private, random};

/// The files and folders to remove when a signal ends the process. A file under a well-known name is kept open, so that it
/// can be recognized: another process may have replaced it by a file of its own, which must stay.
static REGISTRY: Mutex<BTreeMap<PathBuf, Option<File>>> = Mutex::new(BTreeMap::new());

/// A file under a random name that is renamed when it is complete. If it is dropped before, it is removed.
#[derive(Debug)]
pub struct UnfinishedFile {
    path: PathBuf,
    file: File,
}

impl UnfinishedFile {
    /// Creates a private file in the folder of `target`. Its random name and exclusive creation ensure that no file
    /// prepared by another user is opened.
    ///
    /// # Errors
    /// Fails if no file can be created in the folder of `target`.
    pub fn beside(target: &Path) -> io::Result<UnfinishedFile> {
        let (path, file) = create_in(folder_of(target), ".confold-", private::create_file)?;
        Ok(UnfinishedFile { path, file })
    }

    /// Returns the open file.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Renames the complete file to `target`, replacing an existing file.
    ///
    /// # Errors
    /// Fails if the file cannot be renamed; it is removed in this case.
    pub fn rename(self, target: &Path) -> io::Result<()> {
        let renaming = registry();
        fs::rename(&self.path, target)?;
        drop(renaming);
        // Make the rename survive a power failure. Ignore errors, because not every file system can sync folders.
        let _ = File::open(folder_of(target)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        let mut present = registry();
        // Removing fails if the file was renamed.
        let _ = fs::remove_file(&self.path);
        present.remove(&self.path);
    }
}

/// A private folder under a random name. It is removed with its content when it is dropped.
#[derive(Debug)]
pub struct UnfinishedFolder {
    path: PathBuf,
}

impl UnfinishedFolder {
    /// Creates a folder in `parent` whose name begins with `prefix`.
    ///
    /// # Errors
    /// Fails if no folder can be created in `parent`.
    pub fn new_in(parent: &Path, prefix: &str) -> io::Result<UnfinishedFolder> {
        let (path, ()) = create_in(parent, prefix, private::create_folder)?;
        Ok(UnfinishedFolder { path })
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the folder to `target`, where it stays. An existing folder is replaced only if it is empty.
    ///
    /// # Errors
    /// Fails if the folder cannot be renamed; it is removed in this case.
    pub fn rename(self, target: &Path) -> io::Result<()> {
        let _renaming = registry();
        fs::rename(&self.path, target)
    }
}

impl Drop for UnfinishedFolder {
    fn drop(&mut self) {
        let mut present = registry();
        let _ = fs::remove_dir_all(&self.path);
        present.remove(&self.path);
    }
}

/// Registers a complete file to be removed when a signal ends the process. `file` is the open file at `path`.
pub fn remove_on_exit(path: &Path, file: File) {
    registry().insert(path.to_owned(), Some(file));
}

/// Removes a file registered with [`remove_on_exit`], unless another file has replaced it.
pub fn remove(path: &Path) {
    let mut present = registry();
    if let Some(Some(file)) = present.remove(path)
        && is_at(&file, path)
    {
        // The process is ending; there is nothing to be done about a failure.
        let _ = fs::remove_file(path);
    }
}

/// Returns whether a path still leads to an open file. The inode number cannot be reused while the file is open.
fn is_at(file: &File, path: &Path) -> bool {
    let number = |found: fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(found)) => number(held) == number(found),
        _ => false,
    }
}

/// Removes all registered files and folders. The registry stays locked afterwards, so other threads that create, rename
/// or remove one block until the process ends.
pub fn remove_all() {
    let present = registry();
    for (path, file) in &*present {
        if file.as_ref().is_some_and(|file| !is_at(file, path)) {
            continue;
        }
        // Removing a folder may fail while another thread still writes files into it, so try again.
        for _ in 0..3 {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            if removed.is_ok() {
                break;
            }
        }
    }
    std::mem::forget(present);
}

fn registry() -> MutexGuard<'static, BTreeMap<PathBuf, Option<File>>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a file or folder under a random name and registers it, both under the lock that [`remove_all`] takes.
fn create_in<T>(
    parent: &Path,
    prefix: &str,
    create: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    let mut present = registry();
    loop {
        let name = format!("{prefix}{}", random::text(16, b"abcdefghijklmnopqrstuvwxyz0123456789"));
        let path = parent.join(name);
        match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(made) => {
                present.insert(path.clone(), None);
                return Ok((path, made));
            }
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
