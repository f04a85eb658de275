//! Files and folders that nobody but their owner can read, whatever the umask is.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::{Access, AtFlags, CWD, FsWord, OFlags, PROC_SUPER_MAGIC, accessat, statfs};

/// The mode of a private file.
const FILE: u32 = 0o600;
/// The mode of a private folder.
const FOLDER: u32 = 0o700;

/// Makes a folder, and those above it that are missing, open to the owner only. A folder that exists keeps its
/// mode. Returns whether the folder was made.
///
/// # Errors
/// When it cannot be made, or when something else has its name.
pub fn make_folder(folder: &Path) -> io::Result<bool> {
    match create_unless_there(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(error)?;
            make_folder(above)?;
            // Some file systems of the kernel say NotFound although the folder above is there.
            create_unless_there(folder)
        }
        made => made,
    }
}

fn create_unless_there(folder: &Path) -> io::Result<bool> {
    match create_folder(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates a folder that only its owner can enter. Whatever has this name already is an error.
///
/// # Errors
/// When something has this name, or the folder cannot be made.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER).create(folder)?;
    // The umask may have taken more away than it should.
    fs::set_permissions(folder, Permissions::from_mode(FOLDER))
}

/// Whether a folder shows the state of the kernel, as below `/proc` and `/sys`. An administrator seems to have every right
/// there.
#[must_use]
pub fn is_of_the_kernel(folder: &Path) -> bool {
    const SYSFS: FsWord = 0x6265_6572;
    statfs(folder).is_ok_and(|found| [PROC_SUPER_MAGIC, SYSFS].contains(&found.f_type))
}

/// The mode of a folder if other users can enter it.
///
/// # Errors
/// When the folder cannot be looked at.
pub fn open_to_others(folder: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o7777;
    Ok((mode & 0o011 != 0).then_some(mode))
}

/// Creates a file that only its owner can read. Whatever has this name already, a link included, is an error.
///
/// # Errors
/// When something has this name, or the file cannot be made.
pub fn create_file(file: &Path) -> io::Result<File> {
    let made = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE)
        .custom_flags(NO_LINK)
        .open(file)?;
    // The umask may have taken more away than it should. Some file systems have no modes to change.
    let _ = made.set_permissions(Permissions::from_mode(FILE));
    Ok(made)
}

/// Takes every right of others on a file away, and returns the mode it had if it had such rights. A link is not
/// followed, and what is not a file, or not there, is left alone.
///
/// # Errors
/// When the mode cannot be changed.
pub fn tighten(file: &Path) -> io::Result<Option<u32>> {
    let Ok(open) = OpenOptions::new().read(true).custom_flags(NO_LINK | NO_WAIT).open(file) else {
        return Ok(None);
    };
    let metadata = open.metadata()?;
    let mode = metadata.mode() & 0o7777;
    let others = mode & 0o077;
    if !metadata.is_file() || others == 0 {
        return Ok(None);
    }
    open.set_permissions(Permissions::from_mode(FILE))?;
    Ok(Some(mode))
}

/// Finds out whether files can be made in a folder, and changes nothing.
///
/// # Errors
/// Why they cannot be.
pub fn can_write_into(folder: &Path) -> io::Result<()> {
    may(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
}

/// Finds out whether a file can be read and written, and changes nothing.
///
/// # Errors
/// Why it cannot be.
pub fn can_read_and_write(file: &Path) -> io::Result<()> {
    may(file, Access::READ_OK | Access::WRITE_OK)
}

fn may(path: &Path, access: Access) -> io::Result<()> {
    accessat(CWD, path, access, AtFlags::EACCESS).map_err(io::Error::from)
}

/// Opening a name that is a link fails.
pub const NO_LINK: i32 = flag(OFlags::NOFOLLOW);
/// Opening a FIFO does not wait for its other end.
pub const NO_WAIT: i32 = flag(OFlags::NONBLOCK);

#[expect(clippy::cast_possible_wrap, reason = "flags of open(2) are small; the system takes them as an int")]
const fn flag(flag: OFlags) -> i32 {
    flag.bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        assert!(make_folder(Path::new("/proc/confold/below")).is_err());
    }

    #[test]
    fn folders_that_are_made_are_private_and_others_keep_their_mode() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let deep = home.path().join("a/b");
        assert!(make_folder(&deep).unwrap());
        assert!(!make_folder(&deep).unwrap());
        assert_eq!((mode(home.path()), mode(&home.path().join("a")), mode(&deep)), (0o755, 0o700, 0o700));
        assert_eq!(open_to_others(&deep).unwrap(), None);
        assert_eq!(open_to_others(home.path()).unwrap(), Some(0o755));
        fs::write(home.path().join("file"), "").unwrap();
        make_folder(&home.path().join("file")).unwrap_err();
        make_folder(&home.path().join("file/below")).unwrap_err();
    }

    #[test]
    fn nothing_is_created_or_tightened_through_a_link() {
        let home = tempfile::tempdir().unwrap();
        let (file, link) = (home.path().join("file"), home.path().join("link"));
        fs::write(&file, "kept").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        create_file(&link).unwrap_err();
        assert_eq!(tighten(&link).unwrap(), None);
        assert_eq!((mode(&file), fs::read_to_string(&file).unwrap()), (0o644, "kept".to_owned()));
        assert_eq!(tighten(&file).unwrap(), Some(0o644));
        assert_eq!(tighten(&file).unwrap(), None);
        assert_eq!(mode(&file), 0o600);
    }
}
