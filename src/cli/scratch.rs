//! The temporary folder for the store of `dev` without `--data`.
//!
//! The folder is removed when the server ends. After `kill -9` it stays, and the next server removes it. Two locks
//! show that a folder is in use: the server locks the folder itself before it opens the store, and the store locks
//! its file `lock`. A folder is removed only if both locks are free. This protects the folder of a server that has
//! just created it, and that of an older version, which holds only the second lock.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use anyhow::Context;
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat},
    process::geteuid,
};

use crate::{log_lines::log, private::NO_LINK, unfinished::UnfinishedFolder};

const PREFIX: &str = "confold-dev-";

/// The files that a server creates in such a folder.
const FILES: &[&[u8]] =
    &[b"lock", b"confold.db", b"confold.db-wal", b"confold.db-shm", b"confold.db-journal", b"ca.pem"];

/// A temporary folder for a store.
pub(super) struct Scratch {
    folder: UnfinishedFolder,
    _lock: File,
}

impl Scratch {
    /// Creates a folder, and removes those that earlier servers of this user have left behind.
    pub(super) fn new() -> anyhow::Result<Scratch> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        let make = || {
            let folder = UnfinishedFolder::new_in(&parent, PREFIX)?;
            let lock = File::open(folder.path())?;
            // Another server may hold the lock while it checks this folder; it finds no store and releases it. Ignore
            // errors: on file systems without locks no folder is removed either.
            let _ = lock.lock();
            Ok::<_, io::Error>(Scratch { folder, _lock: lock })
        };
        make().with_context(|| format!("cannot create a temporary folder in {}", parent.display()))
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn sweep(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let named =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)));
    let removed = named.filter(|entry| remove_if_left_behind(&entry.path()).unwrap_or(false)).count();
    if removed > 0 {
        let folders = if removed == 1 {
            "1 temporary folder".to_owned()
        } else {
            format!("{removed} temporary folders")
        };
        log!(FOLDERS_REMOVED[folders]);
    }
}

/// Removes a folder if it is not in use. All files are reached from the open folder, so that no link is followed.
fn remove_if_left_behind(path: &Path) -> io::Result<bool> {
    let folder = OpenOptions::new().read(true).custom_flags(NO_LINK).open(path)?;
    let found = folder.metadata()?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || folder.try_lock().is_err() {
        return Ok(false);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let lock = File::from(openat(&folder, "lock", flags, Mode::empty())?);
    if !lock.metadata()?.is_file() || lock.try_lock().is_err() {
        return Ok(false);
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let name = entry?.file_name().to_owned();
        match name.to_bytes() {
            b"." | b".." => {}
            known if FILES.contains(&known) => names.push(name),
            // The user has put a file into it, so keep the folder.
            _ => return Ok(false),
        }
    }
    for name in names {
        unlinkat(&folder, &name, AtFlags::empty())?;
    }
    fs::remove_dir(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Creates a folder like one left behind by a killed server.
    fn left(parent: &Path, name: &str) -> std::path::PathBuf {
        let folder = parent.join(name);
        fs::create_dir(&folder).unwrap();
        for file in ["lock", "confold.db", "confold.db-wal", "ca.pem"] {
            fs::write(folder.join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn only_unused_folders_are_removed() {
        let (home, parent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let parent = parent.path();
        let stale = left(parent, "confold-dev-stale");
        let locked = left(parent, "confold-dev-locked");
        let starting = left(parent, "confold-dev-starting");
        let own = left(parent, "confold-dev-own");
        let deep = left(parent, "confold-dev-deep");
        let other = left(parent, "other");
        let target = left(home.path(), "target");
        symlink(&target, parent.join("confold-dev-link")).unwrap();
        let fresh = parent.join("confold-dev-fresh");
        fs::create_dir(&fresh).unwrap();
        fs::write(own.join("notes"), "").unwrap();
        fs::create_dir(deep.join("folder")).unwrap();
        let fifo = parent.join("confold-dev-fifo");
        fs::create_dir(&fifo).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, fifo.join("lock"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        let (held, holding) = (File::open(locked.join("lock")).unwrap(), File::open(&starting).unwrap());
        held.lock().unwrap();
        holding.lock().unwrap();
        sweep(parent);
        assert!(!stale.exists());
        for kept in [&locked, &starting, &own, &deep, &other, &target, &fresh, &fifo] {
            assert!(kept.exists(), "{}", kept.display());
        }
        assert!(target.join("confold.db").exists() && locked.join("confold.db").exists());
        drop((held, holding));
        sweep(parent);
        assert!(!locked.exists() && !starting.exists() && fresh.exists());
    }

    #[test]
    fn a_folder_of_another_user_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let theirs = left(parent.path(), "confold-dev-theirs");
        if std::os::unix::fs::chown(&theirs, Some(12_345), None).is_err() {
            eprintln!("skipped: only root can give a folder to another user");
            return;
        }
        sweep(parent.path());
        assert!(theirs.join("confold.db").exists());
    }

    #[test]
    fn a_scratch_folder_is_private_and_removed_at_the_end() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        fs::write(path.join("lock"), "").unwrap();
        assert!(!remove_if_left_behind(&path).unwrap());
        drop(scratch);
        assert!(!path.exists());
    }
}
