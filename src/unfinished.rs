//! Files and folders that exist only while something is being done, and that do not outlive it – also when a
//! signal ends the process in the middle.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{private, random};

/// What exists at present. What has a name that others know is held open, so that it is known again: somebody else may
/// have put something of his own in its place.
static PRESENT: Mutex<BTreeMap<PathBuf, Option<File>>> = Mutex::new(BTreeMap::new());

/// A file under a random name that becomes the real one when it is complete, or goes away.
#[derive(Debug)]
pub struct UnfinishedFile {
    path: PathBuf,
    file: File,
}

impl UnfinishedFile {
    /// A new file beside `target`, readable by its owner only. It is created exclusively under a name that
    /// nobody can guess, so nothing that was put there before is opened.
    ///
    /// # Errors
    /// When the folder of `target` takes no new file.
    pub fn beside(target: &Path) -> io::Result<UnfinishedFile> {
        let (path, file) = create_in(folder_of(target), ".confold-", private::create_file)?;
        Ok(UnfinishedFile { path, file })
    }

    /// The file, to be written.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its name. What had that name is replaced.
    ///
    /// # Errors
    /// When the system refuses; the unfinished file is gone then.
    pub fn rename(self, target: &Path) -> io::Result<()> {
        let renaming = present();
        fs::rename(&self.path, target)?;
        drop(renaming);
        // A power cut could otherwise undo the renaming. Not every file system can do this.
        let _ = File::open(folder_of(target)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        let mut present = present();
        // After renaming it is not there any more.
        let _ = fs::remove_file(&self.path);
        present.remove(&self.path);
    }
}

/// A folder under a random name, private to its owner, which is removed with all that is in it.
#[derive(Debug)]
pub struct UnfinishedFolder {
    path: PathBuf,
}

impl UnfinishedFolder {
    /// A new folder in `parent`; its name begins with `prefix`.
    ///
    /// # Errors
    /// When `parent` takes no new folder.
    pub fn new_in(parent: &Path, prefix: &str) -> io::Result<UnfinishedFolder> {
        let (path, ()) = create_in(parent, prefix, private::create_folder)?;
        Ok(UnfinishedFolder { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder a name under which it stays. A folder of that name is replaced only if it is empty.
    ///
    /// # Errors
    /// When the system refuses; the unfinished folder is gone then.
    pub fn rename(self, target: &Path) -> io::Result<()> {
        let _renaming = present();
        fs::rename(&self.path, target)
    }
}

impl Drop for UnfinishedFolder {
    fn drop(&mut self) {
        let mut present = present();
        let _ = fs::remove_dir_all(&self.path);
        present.remove(&self.path);
    }
}

/// Notes a file that is complete, but not to outlive the process; it is held open until then.
pub fn remember(path: &Path, file: File) {
    present().insert(path.to_owned(), Some(file));
}

/// Removes such a file, unless another one has taken its place.
pub fn remove(path: &Path) {
    let mut present = present();
    if let Some(Some(file)) = present.remove(path)
        && is_at(&file, path)
    {
        // Nobody is left who could do something about it.
        let _ = fs::remove_file(path);
    }
}

/// Whether a path still leads to the file that is held open. As long as it is open no other one has its number.
fn is_at(file: &File, path: &Path) -> bool {
    let number = |found: fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(found)) => number(held) == number(found),
        _ => false,
    }
}

/// Removes everything that is unfinished. Nothing can be created, renamed or removed afterwards, so the process
/// has to end; threads that try wait until then.
pub fn abandon_all() {
    let present = present();
    for (path, file) in &*present {
        if file.as_ref().is_some_and(|file| !is_at(file, path)) {
            continue;
        }
        // Another thread may still put files into a folder.
        for _ in 0..3 {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            if removed.is_ok() {
                break;
            }
        }
    }
    std::mem::forget(present);
}

fn present() -> MutexGuard<'static, BTreeMap<PathBuf, Option<File>>> {
    PRESENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates something under a name of its own and notes it, in one step as seen from [`abandon_all`].
fn create_in<T>(
    parent: &Path,
    prefix: &str,
    create: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    let mut present = present();
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
