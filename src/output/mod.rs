//! Output to a path given by a command-line option. All such options behave alike:
//!
//! - `-` means standard output.
//! - A symbolic link is followed and kept; the output replaces its target.
//! - A device or a FIFO is opened and written to, and so is the target of `/dev/stdout` and similar paths.
//! - Any other path becomes a new private file. It is written under a random name in the same folder and renamed when it
//!   is complete, so that no program sees a partial file.

mod escaped;
mod target;

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use self::{
    escaped::escaped,
    target::{Target, find},
};
use crate::{
    private::{NO_LINK, create_file},
    unfinished::UnfinishedFile,
};

const BUFFER: usize = 1 << 16;

/// The error that output cannot be written.
#[derive(Debug)]
pub struct OutputError {
    shown: String,
    source: io::Error,
}

impl OutputError {
    /// Returns whether the reader of a pipe has closed it, as `head` does. This is not a failure.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }

    /// Returns the kind of the underlying I/O error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write {}", self.shown)
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// An open output. A new file appears only when [`Output::finish`] is called.
#[derive(Debug)]
pub struct Output {
    shown: String,
    out: BufWriter<Sink>,
    /// The bytes of a character that is not complete yet; `Some` if JSON is written to a terminal.
    partial: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Sink {
    Standard(io::Stdout),
    Stream(File),
    New(UnfinishedFile, PathBuf),
}

impl Output {
    /// Opens the output at `path`. Opening a FIFO waits for its reader.
    ///
    /// # Errors
    /// Fails if the path cannot be written to.
    pub fn open(path: &Path) -> Result<Output, OutputError> {
        let failed = |source| failed(path, source);
        let sink = match find(path).map_err(failed)? {
            Target::Standard => return Ok(Output::standard()),
            // Appending keeps the content of a file that standard output is redirected to.
            Target::Stream(path) => Sink::Stream(OpenOptions::new().append(true).open(path).map_err(failed)?),
            Target::File(target) => Sink::New(UnfinishedFile::beside(&target).map_err(failed)?, target),
        };
        Ok(Output::new(path.display().to_string(), sink))
    }

    /// Opens standard output.
    #[must_use]
    pub fn standard() -> Output {
        Output::new("to standard output".to_owned(), Sink::Standard(io::stdout()))
    }

    fn new(shown: String, sink: Sink) -> Output {
        Output { shown, out: BufWriter::with_capacity(BUFFER, sink), partial: None }
    }

    /// Prepares the output for untrusted JSON. On a terminal, control and bidi characters in it are escaped, which does not
    /// change its meaning. Elsewhere it is written unchanged.
    #[must_use]
    pub fn for_json(mut self) -> Output {
        self.partial = self.is_terminal().then(Vec::new);
        self
    }

    /// Returns whether this is standard output. Nothing else may be printed there then.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        matches!(self.out.get_ref(), Sink::Standard(_))
    }

    /// Returns whether the output is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self.out.get_ref() {
            Sink::Standard(_) => io::stdout().is_terminal(),
            Sink::Stream(file) => file.is_terminal(),
            Sink::New(..) => false,
        }
    }

    /// Writes bytes, which are buffered.
    ///
    /// # Errors
    /// Fails if they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let written = match &mut self.partial {
            None => self.out.write_all(bytes),
            Some(partial) => self.out.write_all(escaped(partial, bytes).as_bytes()),
        };
        written.map_err(|source| OutputError { shown: self.shown.clone(), source })
    }

    /// Writes the buffered bytes.
    ///
    /// # Errors
    /// Fails if they cannot be written.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.out.flush().map_err(|source| OutputError { shown: self.shown.clone(), source })
    }

    /// Completes the output. If it is a new file, the file gets its name, and the path is returned. An output that is
    /// dropped without this leaves no file behind.
    ///
    /// # Errors
    /// Fails if the rest of the output cannot be written, or the file cannot be renamed.
    pub fn finish(self) -> Result<Option<PathBuf>, OutputError> {
        let Output { shown, out, .. } = self;
        let finish = || match out.into_inner().map_err(io::IntoInnerError::into_error)? {
            Sink::Standard(mut out) => out.flush().map(|()| None),
            Sink::Stream(_) => Ok(None),
            Sink::New(mut new, target) => {
                new.file().sync_all()?;
                // Check again: the path may have become a link or a folder while the output was written.
                match find(&target)? {
                    Target::File(same) if same == target => new.rename(&target).map(|()| Some(target)),
                    _ => Err(io::Error::other("the path was replaced while the output was written")),
                }
            }
        };
        finish().map_err(|source| OutputError { shown, source })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Standard(out) => out.write(bytes),
            Sink::Stream(file) => file.write(bytes),
            Sink::New(new, _) => new.file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Standard(out) => out.flush(),
            Sink::Stream(_) | Sink::New(..) => Ok(()),
        }
    }
}

/// Checks that a path can be written to, so that a long task can fail early.
///
/// # Errors
/// Fails if it cannot be written to.
pub fn check(path: &Path) -> Result<(), OutputError> {
    let checked = match find(path) {
        Ok(Target::File(target)) => UnfinishedFile::beside(&target).map(drop),
        other => other.map(drop),
    };
    checked.map_err(|source| failed(path, source))
}

/// Returns whether opening the output at `path` may block, for example until a FIFO has a reader.
#[must_use]
pub fn may_block(path: &Path) -> bool {
    matches!(find(path), Ok(Target::Stream(_)))
}

/// Removes the file that an [`Output`] at `path` would replace, if there is one. Links and anything that is not a regular
/// file are kept.
///
/// # Errors
/// Fails if the file cannot be removed.
pub fn remove(path: &Path) -> Result<(), OutputError> {
    let removed = match find(path) {
        Ok(Target::File(target)) => fs::remove_file(target),
        other => other.map(drop),
    };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(path, source)),
        _ => Ok(()),
    }
}

/// An output that a later run of the same command continues.
#[derive(Debug)]
pub enum Continued {
    /// A file, open for reading and writing, with the output of earlier runs.
    File(File),
    /// Standard output, a device or a FIFO, which cannot be read back.
    Stream(Output),
}

impl Continued {
    /// Opens the output at `path`, creating a file that does not exist.
    ///
    /// # Errors
    /// Fails if the path cannot be written to.
    pub fn open(path: &Path) -> Result<Continued, OutputError> {
        use std::os::unix::fs::OpenOptionsExt;
        let failed = |source| failed(path, source);
        let Target::File(target) = find(path).map_err(failed)? else {
            return Output::open(path).map(Continued::Stream);
        };
        let file = match create_file(&target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                OpenOptions::new().read(true).write(true).custom_flags(NO_LINK).open(&target)
            }
            made => made,
        };
        file.map(Continued::File).map_err(failed)
    }
}

fn failed(path: &Path, source: io::Error) -> OutputError {
    // Drop any path that the error contains: it would be the temporary name, which means nothing to the user.
    let source = source.raw_os_error().map_or(source, io::Error::from_raw_os_error);
    OutputError { shown: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

    use super::*;

    fn write(path: &Path, text: &str) -> Result<(), OutputError> {
        let mut out = Output::open(path)?;
        out.write(text.as_bytes())?;
        out.finish().map(drop)
    }

    fn why(path: &Path) -> String {
        let error = write(path, "x").unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        error.source.to_string()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = (fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_complete_and_is_private() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("out");
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let mut out = Output::open(&file).unwrap();
        out.write(b"after").unwrap();
        out.flush().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "before");
        drop(out);
        assert_eq!(
            (names(home.path()), fs::read_to_string(&file).unwrap()),
            (vec!["out".to_owned()], "before".to_owned())
        );
        write(&file, "after").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(names(home.path()), ["out"]);
    }

    #[test]
    fn json_on_a_terminal_is_escaped_and_keeps_its_meaning() {
        let text = "{\"a\":\"ä€😀\u{7f}\u{85}\u{202e}\u{e0041}\"}\n";
        for cut in 0..text.len() {
            let (mut partial, bytes) = (Vec::new(), text.as_bytes());
            let shown = escaped(&mut partial, &bytes[..cut]) + &escaped(&mut partial, &bytes[cut..]);
            assert_eq!(shown, "{\"a\":\"ä€😀\\u007f\\u0085\\u202e\\udb40\\udc41\"}\n");
        }
        // Text that is not JSON is escaped, too.
        let shown = escaped(&mut Vec::new(), b"\x1b[2J\xff\xc3(\xe2\x82");
        assert_eq!(shown, "\\u001b[2J\u{fffd}\u{fffd}(");
    }

    #[test]
    fn links_are_followed_and_stay() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("real")).unwrap();
        fs::write(path("real/file"), "before").unwrap();
        symlink("real/file", path("link")).unwrap();
        symlink("link", path("second")).unwrap();
        symlink("real/new", path("dangling")).unwrap();
        symlink("loop", path("loop")).unwrap();
        write(&path("second"), "after").unwrap();
        write(&path("dangling"), "made").unwrap();
        assert_eq!(fs::read_to_string(path("real/file")).unwrap(), "after");
        assert_eq!(fs::read_to_string(path("real/new")).unwrap(), "made");
        for link in ["link", "second", "dangling"] {
            assert!(fs::symlink_metadata(path(link)).unwrap().is_symlink(), "{link}");
        }
        assert_eq!(why(&path("loop")), "it leads through too many symbolic links");
        remove(&path("second")).unwrap();
        assert!(!path("real/file").exists() && fs::symlink_metadata(path("second")).is_ok());
        remove(&path("second")).unwrap();
    }

    #[test]
    fn a_path_that_is_not_a_regular_file_is_written_to_or_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert_eq!(why(&path("socket")), "it is a socket");
        for folder in [home.path().to_owned(), path("sub/"), path(".."), PathBuf::from("/")] {
            assert!(why(&folder).contains("directory"), "{}", folder.display());
        }
        assert!(why(&path("nowhere/file")).contains("No such file"));
        assert_eq!(why(Path::new("")), "it is empty; name a file, or - for standard output");
        // This is a link to a descriptor, as /dev/stdout is.
        let open = File::create_new(path("file")).unwrap();
        fs::write(path("file"), "first\n").unwrap();
        symlink(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open)), path("descriptor"))
            .unwrap();
        write(&path("descriptor"), "second\n").unwrap();
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "first\nsecond\n");
        assert_eq!(find(Path::new("-")).unwrap(), Target::Standard);
    }

    #[test]
    fn files_planted_by_another_user_are_not_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("everybody");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
        fs::write(home.path().join("mine"), "mine").unwrap();
        let (link, file) = (folder.join("link"), folder.join("file"));
        symlink("../mine", &link).unwrap();
        fs::write(&file, "theirs").unwrap();
        if lchown(&link, Some(12_345), None).and_then(|()| lchown(&file, Some(12_345), None)).is_err() {
            eprintln!("skipped: only root can give a file to another user");
            return;
        }
        for planted in [&link, &file] {
            assert!(why(planted).contains("it belongs to another user"), "{}", planted.display());
            assert!(Continued::open(planted).is_err());
        }
        lchown(&link, Some(0), None).unwrap();
        write(&link, "written").unwrap();
        assert_eq!(fs::read_to_string(home.path().join("mine")).unwrap(), "written");
    }
}
