//! Files and folders that only their owner can access, regardless of the umask.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::{Access, AtFlags, CWD, FsWord, OFlags, PROC_SUPER_MAGIC, accessat, statfs};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Creates a private folder, and any missing parents as private folders, too. An existing folder keeps its mode.
/// Returns whether the folder was created.
///
/// # Errors
/// Fails if it cannot be created, or if the path exists and is not a folder.
pub fn make_folder(folder: &Path) -> io::Result<bool> {
    match create_unless_there(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(error)?;
            make_folder(above)?;
            // Try only once more: /proc and the like return NotFound even though the parent exists.
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

/// Creates a private folder.
///
/// # Errors
/// Fails if the path exists already, or the folder cannot be created.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(folder)?;
    // An unusual umask may have removed the owner's permissions, too.
    fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
}

/// Returns whether a folder is on a virtual file system of the kernel, such as `/proc` and `/sys`. There, access checks
/// for root succeed although nothing can be created.
#[must_use]
pub fn is_kernel_file_system(folder: &Path) -> bool {
    const SYSFS: FsWord = 0x6265_6572;
    statfs(folder).is_ok_and(|found| [PROC_SUPER_MAGIC, SYSFS].contains(&found.f_type))
}

/// Returns the mode of a folder if users other than its owner can enter it.
///
/// # Errors
/// Fails if the folder's metadata cannot be read.
pub fn open_to_others(folder: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o7777;
    Ok((mode & 0o011 != 0).then_some(mode))
}

/// Creates a private file, open for reading and writing.
///
/// # Errors
/// Fails if the path exists already, even as a symbolic link, or the file cannot be created.
pub fn create_file(file: &Path) -> io::Result<File> {
    let made = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .custom_flags(NO_LINK)
        .open(file)?;
    // An unusual umask may have removed the owner's permissions, too. Ignore failures: some file systems have no modes.
    let _ = made.set_permissions(Permissions::from_mode(FILE_MODE));
    Ok(made)
}

/// Makes an existing file private. Returns the previous mode if the group or others had any access. Symbolic links
/// are not followed; a path that is missing or not a regular file is left unchanged.
///
/// # Errors
/// Fails if the mode cannot be changed.
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
    open.set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(Some(mode))
}

/// Checks that files can be created in a folder, without creating one.
///
/// # Errors
/// Returns the system's reason why they cannot.
pub fn can_write_into(folder: &Path) -> io::Result<()> {
    check_access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
}

/// Checks that a file can be read and written, without opening it.
///
/// # Errors
/// Returns the system's reason why it cannot.
pub fn can_read_and_write(file: &Path) -> io::Result<()> {
    check_access(file, Access::READ_OK | Access::WRITE_OK)
}

fn check_access(path: &Path, access: Access) -> io::Result<()> {
    accessat(CWD, path, access, AtFlags::EACCESS).map_err(io::Error::from)
}

/// Flag for open(2): opening a symbolic link fails.
pub const NO_LINK: i32 = flag(OFlags::NOFOLLOW);
/// Flag for open(2): opening a FIFO does not wait for its other end.
pub const NO_WAIT: i32 = flag(OFlags::NONBLOCK);

#[expect(clippy::cast_possible_wrap, reason = "the flags of open(2) fit into an int")]
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
    fn a_folder_that_cannot_be_created_is_an_error() {
        assert!(make_folder(Path::new("/proc/confold/below")).is_err());
    }

    #[test]
    fn new_folders_are_private_and_existing_ones_keep_their_mode() {
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
