//! Tests the limit on processes, which on Linux counts threads: an operation that cannot start a thread fails with an
//! error, and nothing panics.

use std::{
    fs,
    os::unix::fs::chown,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    harness::{Client, Server, said},
    serving::Site,
    tools::{Tool, is_missing},
    wait::Finish,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// The number of users that were created so far.
static USERS: AtomicU32 = AtomicU32::new(0);

/// A user without any other processes, so that the limit counts only the threads started here.
struct User {
    id: String,
    site: Site,
    binary: PathBuf,
}

impl User {
    /// Prepares an unused user id, and the configuration of a server with few threads. Returns `None` unless run as
    /// root, because only root can change the user, and the limit does not apply to root itself.
    fn new() -> Option<User> {
        if is_missing(&[Tool::Root]) {
            return None;
        }
        // Tests of several checkouts may run at once, as may several tests in one process.
        let id = 1_000_000 + std::process::id() * 8 + USERS.fetch_add(1, Ordering::Relaxed);
        let (site, binary) = (Site::new(), env!("CARGO_BIN_EXE_confold"));
        site.configure("workers = 1\n[store]\ndirectory = \"data\"\nreaders = 1", "directory = \"open\"");
        // The checkout may be in a directory that only root can enter.
        let own = site.path("confold");
        fs::hard_link(binary, &own).or_else(|_| fs::copy(binary, &own).map(drop)).unwrap();
        for path in [site.folder.path().to_owned(), site.path("confold.toml"), site.path("key")] {
            chown(path, Some(id), Some(id)).unwrap();
        }
        Some(User { id: id.to_string(), site, binary: own })
    }

    /// Returns a confold command that runs as this user with a limit of `threads` threads.
    fn command(&self, threads: u32, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &self.id, "--regid", &self.id, "--clear-groups"]);
        command.arg("prlimit").arg(format!("--nproc={threads}")).arg(&self.binary).args(arguments);
        command.current_dir(self.site.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, threads: u32, arguments: &[&str]) -> Output {
        self.command(threads, arguments).finish()
    }
}

const SERVE: [&str; 3] = ["serve", "--config", "confold.toml"];

#[track_caller]
fn assert_refused(output: &Output, why: &str) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: ") && said.contains(why) && !said.contains("panicked"), "{said}");
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error() {
    let Some(user) = User::new() else { return };
    let unavailable = "Resource temporarily unavailable";
    // The allocator may start its thread first; if that fails, the process continues.
    assert_refused(&user.run(1, &SERVE), unavailable);
    assert_refused(&user.run(2, &SERVE), &format!("cannot install the signal handlers: {unavailable}"));
    let log = format!("the thread that writes the log cannot be started: {unavailable}");
    assert_refused(&user.run(3, &SERVE), &log);
    assert_refused(&user.run(3, &["dev", "--listen", "127.0.0.1:0"]), &log);
    // Looking up a host name needs a thread; an address does not.
    let server = Server::dev(&[]);
    let port = server.address.port();
    let by_name = ["healthcheck", "--url", &format!("http://localhost:{port}")];
    assert_refused(&user.run(3, &by_name), "cannot start a thread to resolve the host name");
    let output = user.run(3, &["healthcheck", "--url", &format!("http://127.0.0.1:{port}")]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_server_that_cannot_start_another_thread_keeps_serving_but_refuses_transfers() {
    let Some(user) = User::new() else { return };
    // With the lowest limit at which the server starts, no further thread can be started.
    let server = (4..20).find_map(|threads| {
        let mut command = user.command(threads, &SERVE);
        let child = command.stdout(Stdio::piped()).stderr(fs::File::create(user.site.path("log")).unwrap());
        let started = Server::try_start_until(child, |greeting| greeting.contains("serving "));
        // The missing thread may be one of the store or a worker.
        assert!(!user.site.log().contains("panicked"), "{threads} threads: {}", user.site.log());
        started
    });
    let server = server.expect("the server starts with fewer than twenty threads");
    let mut client = server.client();
    assert_eq!(client.call(GET, BODY).code(), 0);
    for task in ["export", "import", "check"] {
        let mut client = Client::connect(server.address);
        let target = client.target("x").replace("/v4/x", &format!("/interchange/{task}"));
        let refused = client.post(&target, "").unwrap();
        assert_eq!((refused.status, refused.code()), (503, 60018), "{task}: {}", refused.body);
        assert!(refused.body.contains("the system cannot start a thread"), "{task}: {}", refused.body);
    }
    assert_eq!(client.call(GET, BODY).code(), 0);
    let log = user.site.log();
    assert!(log.contains("a thread for a transfer cannot be started") && !log.contains("panicked"), "{log}");
    // The allocator must not keep reporting that it cannot start more threads.
    assert!(log.lines().count() < 20, "{log}");
    server.terminate();
    assert!(server.ended_well());
    assert!(!user.site.log().contains("panicked"), "{}", user.site.log());
}
