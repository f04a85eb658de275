//! Tests outputs to paths that are links, devices, FIFOs or standard output.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Output,
};

use crate::{
    harness::{ADMIN, APP, KEY, Server, confold, eventually, said},
    wait::{self, Finish, Work},
};

/// A temporary directory with a store and space for outputs.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        let line = r#"{"Kind":"account","SdkAppId":88888888,"UserID":"ann"}"#;
        fs::write(place.path("lines"), line).unwrap();
        let made = confold(&["import", place.str("lines").as_str(), "--data", &place.str("data")]).finish();
        assert!(made.status.success(), "{}", said(&made));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn str(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn export(&self, output: &str) -> Output {
        confold(&["export", "--data", &self.str("data"), "-o", output])
            .current_dir(self.folder.path())
            .finish()
    }

    /// Returns the names in the directory, except those of the store and of its source file.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = (fs::read_dir(self.folder.path()).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "data" && name != "lines")
            .collect();
        names.sort();
        names
    }
}

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Reads a FIFO to its end in a separate thread.
fn reader(path: &Path) -> Work<String> {
    let path = path.to_owned();
    wait::start("the end of what is written to a FIFO", move || {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    })
}

#[test]
fn an_export_follows_links_and_replaces_only_regular_files() {
    let place = Place::new();
    fs::create_dir(place.path("real")).unwrap();
    fs::write(place.path("real/t"), "before").unwrap();
    symlink("real/t", place.path("link")).unwrap();
    let output = place.export("link");
    assert!(output.status.success(), "{}", said(&output));
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink());
    assert!(fs::read_to_string(place.path("real/t")).unwrap().contains("\"ann\""));
    assert_eq!(fs::metadata(place.path("real/t")).unwrap().permissions().mode() & 0o7777, 0o600);

    fifo(&place.path("fifo"));
    let reading = reader(&place.path("fifo"));
    let output = place.export("fifo");
    assert!(output.status.success(), "{}", said(&output));
    assert!(reading.done().contains("\"ann\""));
    assert!(fs::symlink_metadata(place.path("fifo")).unwrap().file_type().is_fifo());

    // All names of standard output refer to standard output, and no file with such a name is created.
    symlink("/proc/self/fd/1", place.path("stdout")).unwrap();
    for name in ["-", "stdout", "/proc/self/fd/1"] {
        let output = place.export(name);
        assert!(output.status.success() && said(&output).contains("\"ann\""), "{name}: {}", said(&output));
    }
    for (path, reason) in
        [("real", "is a directory"), ("nowhere/t", "No such file"), ("real/", "is a directory")]
    {
        let output = place.export(path);
        let said = said(&output);
        assert!(!output.status.success() && said.contains(&format!("cannot write {path}: ")), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    assert_eq!(place.names(), ["fifo", "link", "real", "stdout"], "no temporary file is left behind");
}

#[test]
fn data_appended_to_a_redirected_output_is_kept() {
    let place = Place::new();
    let script = format!(
        "echo first > log; {0} export --data data -o /proc/self/fd/1 >> log",
        env!("CARGO_BIN_EXE_confold")
    );
    let output =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(place.folder.path()).finish();
    assert!(output.status.success());
    let log = fs::read_to_string(place.path("log")).unwrap();
    assert!(log.starts_with("first\n{\"Kind\"") && log.contains("\"ann\""), "{log}");
}

#[test]
fn the_names_of_temporary_files_cannot_be_predicted() {
    let place = Place::new();
    fs::write(place.path("victim"), "victim").unwrap();
    for name in ["ready.new", "ready.tmp", ".ready", "out.new", "out.tmp", "ca.pem.new"] {
        symlink("victim", place.path(name)).unwrap();
    }
    let ready = place.str("ready");
    let server = Server::dev(&["--ready-file", &ready, "--export-on-exit", &place.str("out")]);
    eventually("the ready file appears", || {
        fs::read_to_string(&ready).is_ok_and(|text| text.starts_with("http"))
    });
    assert_eq!(fs::metadata(&ready).unwrap().permissions().mode() & 0o7777, 0o600);
    server.terminate();
    assert!(server.ended_well());
    assert!(place.export("out").status.success());
    assert_eq!(fs::read_to_string(place.path("victim")).unwrap(), "victim");
}

#[test]
fn a_ready_file_may_be_a_link_or_a_fifo() {
    let place = Place::new();
    fs::create_dir(place.path("run")).unwrap();
    symlink("run/address", place.path("link")).unwrap();
    let server = Server::dev(&["--ready-file", &place.str("link")]);
    let address = place.path("run/address");
    eventually("the ready file appears", || {
        fs::read_to_string(&address).is_ok_and(|text| text.starts_with("http"))
    });
    server.terminate();
    assert!(server.ended_well());
    assert!(!place.path("run/address").exists());
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink(), "the link stays");

    fifo(&place.path("fifo"));
    // The server accepts calls before the FIFO is read.
    let server = Server::dev(&["--ready-file", &place.str("fifo")]);
    assert_eq!(server.client().raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
    assert_eq!(reader(&place.path("fifo")).done(), format!("http://{}\n", server.address));
    server.terminate();
    assert!(server.ended_well());
    assert!(place.path("fifo").exists());

    for bad in ["run", "nowhere/ready"] {
        let bad = place.str(bad);
        let output = confold(&["dev", "--listen", "127.0.0.1:0", "--ready-file", &bad]).finish();
        let said = said(&output);
        assert!(
            !output.status.success() && said.contains(&format!("--ready-file: cannot write {bad}: ")),
            "{said}"
        );
    }
}

#[test]
fn an_export_on_exit_is_written_into_a_fifo_or_to_standard_output() {
    let place = Place::new();
    fifo(&place.path("fifo"));
    let server = Server::dev(&["--export-on-exit", &place.str("fifo")]);
    let reading = reader(&place.path("fifo"));
    server.terminate();
    assert!(server.ended_well());
    assert!(reading.done().contains("\"user0\""));
    assert!(fs::symlink_metadata(place.path("fifo")).unwrap().file_type().is_fifo());
}

#[test]
fn a_pull_resumes_through_a_link_but_not_on_a_stream() {
    let (place, server) = (Place::new(), Server::dev(&[]));
    fs::write(place.path("users"), "user0\n").unwrap();
    let pull = |output: &str| {
        let app = format!("{APP}:{KEY}:{ADMIN}");
        let url = format!("http://{}", server.address);
        let mut command = confold(&["pull", "--url", &url, "--app", &app, "--users", "users", "-o", output]);
        command.current_dir(place.folder.path()).finish()
    };
    fs::create_dir(place.path("real")).unwrap();
    symlink("real/out", place.path("link")).unwrap();
    assert_eq!(said(&pull("link")), "pulled 1, already there 0, refused 0\n");
    assert_eq!(said(&pull("link")), "pulled 0, already there 1, refused 0\n");
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink());
    let file = fs::metadata(place.path("real/out")).unwrap();
    assert_eq!(file.permissions().mode() & 0o7777, 0o600);

    let output = pull("-");
    assert_eq!(
        output.stdout,
        fs::read(place.path("real/out")).unwrap(),
        "standard output has only the data lines"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "pulled 1, already there 0, refused 0\n");
    fifo(&place.path("fifo"));
    let reading = reader(&place.path("fifo"));
    assert_eq!(said(&pull("fifo")), "pulled 1, already there 0, refused 0\n");
    assert_eq!(reading.done().as_bytes(), output.stdout);
    assert!(said(&pull("real")).contains("cannot write real: it is a directory; name a file"));

    // Two outputs to standard output would mix their lines.
    let held = File::open(place.path("real/out")).unwrap();
    held.lock().unwrap();
    assert!(said(&pull("link")).contains("another pull is writing to it"), "{}", said(&pull("link")));
    assert_eq!(place.names(), ["fifo", "link", "real", "users"]);
}
