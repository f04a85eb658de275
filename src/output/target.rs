//! What the path of an output names, once links are followed.

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

/// How many links are followed, as the system does.
const LINKS: usize = 40;

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `-`.
    Standard,
    /// A device, a FIFO or a descriptor that is open already: it is written into.
    Stream(PathBuf),
    /// A file, there or not.
    File(PathBuf),
}

/// Follows links to what a path names.
pub(super) fn find(path: &Path) -> io::Result<Target> {
    if path == Path::new("-") {
        return Ok(Target::Standard);
    }
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(is_folder());
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS {
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
        // Entries of /proc/self/fd look like links, but lead to what is open and may have no name.
        if kind.is_symlink() && above.starts_with("/proc") && above.ends_with("fd") {
            return Ok(Target::Stream(whole));
        }
        if planted(&above, &found)? {
            return Err(io::Error::other(
                "another user has put it into a folder that everybody can write; choose another path",
            ));
        }
        if !kind.is_symlink() {
            return Ok(if kind.is_file() { Target::File(whole) } else { Target::Stream(whole) });
        }
        path = above.join(fs::read_link(&whole)?);
    }
    Err(io::Error::other("too many links lead to it"))
}

fn is_folder() -> io::Error {
    io::Error::new(io::ErrorKind::IsADirectory, "it is a directory; name a file in it")
}

/// Whether what was found in a folder like `/tmp` belongs to another user. The system itself refuses to follow
/// such links, and to open such FIFOs and files, where it is set up to protect them.
fn planted(folder: &Path, found: &Metadata) -> io::Result<bool> {
    let folder = fs::metadata(folder)?;
    let everybody = folder.mode() & 0o1002 == 0o1002;
    Ok(everybody && found.uid() != geteuid().as_raw() && found.uid() != folder.uid())
}
