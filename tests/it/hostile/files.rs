//! Tests the file permissions of stores and outputs.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    harness::{ADMIN, APP, KEY, Server, confold, import_accounts, said},
    serving::Site,
    wait::Finish,
};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Returns the files of a directory with their modes, sorted by name.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut found: Vec<_> = (fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), mode(&entry.path())))
        .collect();
    found.sort();
    found
}

/// Wraps a command so that it runs with this umask.
fn with_umask(umask: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn files_of_a_store_are_private_with_any_umask_and_directory() {
    for umask in ["000", "022", "777"] {
        let home = tempfile::tempdir().unwrap();
        let (existing, made) = (home.path().join("existing"), home.path().join("a/b"));
        fs::create_dir(&existing).unwrap();
        set_mode(&existing, 0o755);
        for folder in [&existing, &made] {
            let mut command = Server::dev_command();
            command.args(["--tls-listen", "127.0.0.1:0", "--log-level", "error", "--data"]).arg(folder);
            let mut command = with_umask(umask, &command);
            command.env("XDG_DATA_HOME", home.path().join("share"));
            let server = Server::start_until(&mut command, |greeting| greeting.contains("?sdkappid="));
            import_accounts(&mut server.client(), &["ann".to_owned()]);
            let found = modes(folder);
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["ca.pem", "confold.db", "confold.db-wal", "lock"]);
            assert!(found.iter().all(|(_, mode)| *mode == 0o600), "{umask}: {found:?}");
        }
        assert_eq!(mode(&existing), 0o755, "an existing directory keeps its mode");
        assert_eq!((mode(&home.path().join("a")), mode(&made)), (0o700, 0o700));
        for folder in ["share", "share/confold", "share/confold/ca"] {
            assert_eq!(mode(&home.path().join(folder)), 0o700, "{folder}");
        }
        assert!(modes(&home.path().join("share/confold/ca")).iter().all(|(_, mode)| *mode == 0o600));
    }
}

#[test]
fn readable_files_are_made_private_with_one_warning() {
    let site = Site::new();
    site.configure("", "");
    drop(site.serve());
    let data = site.path("data");
    fs::write(data.join("ca.pem"), "").unwrap();
    for file in ["confold.db", "confold.db-wal", "lock", "ca.pem"] {
        set_mode(&data.join(file), 0o644);
    }
    set_mode(&data, 0o750);
    let server = site.serve();
    assert!(modes(&data).iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes(&data));
    assert_eq!(mode(&data), 0o750);
    // The log is complete only after the server has ended.
    server.terminate();
    assert!(server.ended_well());
    let log = site.log();
    assert_eq!(log.matches("could read files in").count(), 1, "{log}");
    for words in
        ["lock (mode 0644)", "ca.pem (mode 0644)", "confold.db (mode 0644)", "confold.db-wal (mode 0644)"]
    {
        assert!(log.contains(words), "{log}");
    }
    assert!(
        log.contains("can enter the directory")
            && log.contains("(mode 0750)")
            && log.contains("chmod go-rwx"),
        "{log}"
    );
    set_mode(&data, 0o700);
    let server = site.serve();
    server.terminate();
    assert!(server.ended_well());
    assert!(!site.log().contains("other users"), "{}", site.log());
    // The command-line tools print the warning, too.
    set_mode(&data.join("confold.db"), 0o604);
    let output = confold(&["export", "--data", data.to_str().unwrap()]).finish();
    assert!(
        said(&output).contains("warning: other users of this machine could read files in"),
        "{}",
        said(&output)
    );
    assert_eq!(mode(&data.join("confold.db")), 0o600);
}

#[test]
fn links_planted_in_place_of_store_files_are_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    let victim = home.path().join("victim");
    fs::write(&victim, "victim").unwrap();
    set_mode(&victim, 0o644);
    std::os::unix::fs::symlink(&victim, data.join("lock")).unwrap();
    std::os::unix::fs::symlink(&victim, data.join("ca.pem")).unwrap();
    let output = confold(&["import", "/dev/null", "--data", data.to_str().unwrap()]).finish();
    assert!(!output.status.success(), "{}", said(&output));
    assert_eq!((mode(&victim), fs::read_to_string(&victim).unwrap()), (0o644, "victim".to_owned()));
}

#[test]
fn a_database_behind_a_link_is_private_with_its_log() {
    let home = tempfile::tempdir().unwrap();
    let (data, real) = (home.path().join("data"), home.path().join("real"));
    fs::create_dir(&real).unwrap();
    fs::create_dir(&data).unwrap();
    fs::write(real.join("confold.db"), "").unwrap();
    set_mode(&real.join("confold.db"), 0o666);
    std::os::unix::fs::symlink("../real/confold.db", data.join("confold.db")).unwrap();
    let server = Server::dev(&["--data", data.to_str().unwrap()]);
    import_accounts(&mut server.client(), &["ann".to_owned()]);
    assert!(modes(&real).iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes(&real));
}

#[test]
fn outputs_are_private() {
    let home = tempfile::tempdir().unwrap();
    let (server, users) = (Server::dev(&[]), home.path().join("users"));
    fs::write(&users, "user0\n").unwrap();
    let url = format!("http://{}", server.address);
    let app = format!("{APP}:{KEY}:{ADMIN}");
    for (task, more) in [("export", vec![]), ("pull", vec!["--users", users.to_str().unwrap()])] {
        let out = home.path().join(task);
        let mut command = confold(&[task, "--url", &url, "--app", &app]);
        command.args(more).arg("-o").arg(&out);
        let output = with_umask("000", &command).finish();
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(mode(&out), 0o600);
    }
}

#[test]
fn temporary_directories_are_private_and_those_of_killed_servers_are_deleted() {
    let home = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = Server::dev_command();
        command.stderr(Stdio::null()).env("TMPDIR", home.path());
        Server::start_until(&mut command, |greeting| greeting.contains("?sdkappid="))
    };
    let running = start();
    let [(kept, 0o700)] = &modes(home.path())[..] else { panic!("{:?}", modes(home.path())) };
    start().kill();
    start().kill();
    assert_eq!(modes(home.path()).len(), 2, "the second killed server deleted the directory of the first");
    // Of many servers that start at once, each keeps its own directory, and together they delete the rest.
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..6).map(|_| scope.spawn(start)).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let now = modes(home.path());
    assert_eq!(now.len(), 7, "{now:?}");
    assert!(now.iter().any(|(name, _)| name == kept));
    for server in servers.iter().chain([&running]) {
        import_accounts(&mut server.client(), &["ann".to_owned()]);
        server.terminate();
    }
    assert!(servers.into_iter().chain([running]).all(Server::ended_well));
    assert_eq!(modes(home.path()), []);
}
