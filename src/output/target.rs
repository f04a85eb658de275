//! Resolves the path of an output, following symbolic links.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

/// The maximum number of links to follow, as in Linux.
const MAX_LINKS: usize = 40;

/// The kind of output that a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Standard output, for the path `-`.
    Standard,
    /// A device, a FIFO or an open descriptor, which is opened and written to.
    Stream(PathBuf),
    /// A regular file, which need not exist yet.
    File(PathBuf),
}

/// Resolves a path.
pub(super) fn find(path: &Path) -> io::Result<Target> {
    if path == Path::new("-") {
        return Ok(Target::Standard);
    }
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(is_folder());
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(name) = path.file_name() else {
            let is_empty = path.as_os_str().is_empty();
            let said = "it is empty; name a file, or - for standard output";
            return Err(if is_empty { io::Error::new(io::ErrorKind::NotFound, said) } else { is_folder() });
        };
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let above = fs::canonicalize(above)?;
        let whole = above.join(name);
        let found = match fs::symlink_metadata(&whole) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Target::File(whole)),
            other => other?,
        };
        let kind = found.file_type();
        if kind.is_dir() {
            return Err(is_folder());
        }
        if kind.is_socket() {
            return Err(io::Error::other("it is a socket"));
        }
        // Entries of /proc/self/fd look like links, but lead to an open file, which may have no path.
        if kind.is_symlink() && above.starts_with("/proc") && above.ends_with("fd") {
            return Ok(Target::Stream(whole));
        }
        if planted(&above, &found)? {
            return Err(io::Error::other(
                "it belongs to another user, in a folder that everybody can write to; choose another path",
            ));
        }
        if !kind.is_symlink() {
            return Ok(if kind.is_file() { Target::File(whole) } else { Target::Stream(whole) });
        }
        path = above.join(fs::read_link(&whole)?);
    }
    Err(io::Error::other("it leads through too many symbolic links"))
}

fn is_folder() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "it is a directory; name a file in it")
}

/// Returns whether a file or link in a sticky, world-writable folder such as `/tmp` may have been put there by another
/// user to redirect the output. Linux can refuse to use such files itself (`fs.protected_symlinks` and the like), but
/// need not.
fn planted(folder: &Path, found: &Metadata) -> io::Result<bool> {
    let folder = fs::metadata(folder)?;
    let everybody = folder.mode() & 0o1002 == 0o1002;
    Ok(everybody && found.uid() != geteuid().as_raw() && found.uid() != folder.uid())
}
