//! Tests that need more than Rust: third-party programs, and clients in other languages.
//!
//! Where a program is missing, the tests that need it are skipped with a message; [`what_is_not_tested_here`] lists
//! all of them. With `CI=true` or `CONFOLD_TEST_TOOLS=required` they fail instead.

mod clients;
mod copies;
mod example;
mod generated;
mod official_signature;
mod promtool;
mod receivers;
mod recipes;
mod tls;
mod tour;

use std::{
    env,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use rustix::process::geteuid;

use crate::wait::Finish;

/// The deadline for programs that compile, or that make hundreds of calls.
const LONG: Duration = Duration::from_secs(20 * 60);

/// Tools that a test may need and that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Bash,
    Curl,
    Go,
    Java,
    Mounts,
    Namespaces,
    Node,
    NodePackages,
    Openssl,
    OpensslHeaders,
    Php,
    Promtool,
    Python,
    PythonPackages,
    Root,
    Script,
    Strace,
    SystemdAnalyze,
}

impl Tool {
    const ALL: [Tool; 18] = [
        Tool::Bash,
        Tool::Curl,
        Tool::Go,
        Tool::Java,
        Tool::Mounts,
        Tool::Namespaces,
        Tool::Node,
        Tool::NodePackages,
        Tool::Openssl,
        Tool::OpensslHeaders,
        Tool::Php,
        Tool::Promtool,
        Tool::Python,
        Tool::PythonPackages,
        Tool::Root,
        Tool::Script,
        Tool::Strace,
        Tool::SystemdAnalyze,
    ];

    /// Returns the name of the tool, and what is not tested without it.
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Tool::Bash => (
                "bash",
                "the commands of the README, of the tour, of docs/extensions.md, docs/feed.md and docs/ci.md; completions",
            ),
            Tool::Curl => ("curl", "the commands of the documents; TLS and HTTP/2 as curl speaks them"),
            Tool::Go => ("go", "signing in Go"),
            Tool::Java => ("java", "signing in Java"),
            Tool::Mounts => ("the right to mount", "key files and stores on read-only file systems"),
            Tool::Namespaces => ("the right to make namespaces", "the first process of a container"),
            Tool::Node => ("node", "signing and clients in JavaScript"),
            Tool::NodePackages => ("packages of Node.js", "published and generated clients in JavaScript"),
            Tool::Openssl => ("openssl", "certificates as OpenSSL makes and sees them"),
            Tool::OpensslHeaders => ("headers of OpenSSL for pkg-config", "the published client in Rust"),
            Tool::Php => ("php", "signing in PHP"),
            Tool::Promtool => ("promtool", "metrics and alert rules as Prometheus reads them"),
            Tool::Python => ("python3", "signing in Python; the tour; the example project"),
            Tool::PythonPackages => (
                "packages of Python",
                "published and generated clients in Python; replies against openapi.json",
            ),
            Tool::Root => ("the rights of root", "limits on threads"),
            Tool::Script => ("script", "what is shown on a terminal"),
            Tool::Strace => ("strace", "disks that fail; that acknowledged writes are synchronised"),
            Tool::SystemdAnalyze => ("systemd-analyze", "the unit as systemd reads it"),
        }
    }

    /// Returns whether `scripts/test-deps` does not install it, because it is large or a permission instead of a
    /// program.
    fn is_optional(self) -> bool {
        matches!(
            self,
            Tool::Go | Tool::Java | Tool::Mounts | Tool::Namespaces | Tool::Root | Tool::SystemdAnalyze
        )
    }

    fn is_there(self) -> bool {
        match self {
            Tool::Mounts => {
                let script = "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp";
                succeeds("unshare", &["--user", "--map-root-user", "--mount", "sh", "-c", script])
            }
            Tool::Namespaces => succeeds("unshare", &["--pid", "--fork", "true"]),
            Tool::NodePackages => ["tests/clients/node", "tests/generated"]
                .iter()
                .all(|folder| root().join(folder).join("node_modules/installed").exists()),
            Tool::OpensslHeaders => succeeds("pkg-config", &["--exists", "openssl"]),
            Tool::PythonPackages => python("installed").exists(),
            Tool::Root => geteuid().is_root() && is_program("setpriv") && is_program("prlimit"),
            program => is_program(program.describe().0),
        }
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path of a file in the Python environment that `scripts/test-deps` creates.
fn python(file: &str) -> PathBuf {
    root().join("target/test-python").join(file)
}

/// Returns whether a program of this name can be run.
fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .any(|folder| rustix::fs::access(folder.join(name), rustix::fs::Access::EXEC_OK).is_ok())
}

/// Returns whether a program exists and succeeds.
fn succeeds(name: &str, arguments: &[&str]) -> bool {
    is_program(name) && Command::new(name).args(arguments).finish().status.success()
}

/// Returns whether missing tools are a failure.
fn are_required() -> bool {
    let is = |variable: &str, value: &str| env::var_os(variable).is_some_and(|found| found == value);
    is("CI", "true") || is("CONFOLD_TEST_TOOLS", "required")
}

/// Prints directly, because the test runner hides the output of tests that pass.
fn say(text: &str) {
    // Ignore a closed stderr.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A flag that is set once the list has been mentioned.
static MENTIONED: OnceLock<()> = OnceLock::new();

/// Returns whether one of these tools is missing, so that the test has to be skipped, and prints a message.
#[track_caller]
pub(crate) fn is_missing(needed: &[Tool]) -> bool {
    let missing: Vec<&Tool> = needed.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return false;
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.describe().0).collect();
    let names = names.join(", ");
    let must_be_there = are_required() && missing.iter().any(|tool| !tool.is_optional());
    assert!(!must_be_there, "this test needs {names}; run scripts/test-deps");
    let hint = if MENTIONED.set(()).is_ok() { "; tools::what_is_not_tested_here has the list" } else { "" };
    // Test runners name the thread after the test.
    let thread = std::thread::current();
    say(&format!("skipped {}: it needs {names}{hint}\n", thread.name().unwrap_or("a test")));
    true
}

/// Lists the missing tools. It passes unless tools are required; its output is shown in both cases.
#[test]
fn what_is_not_tested_here() {
    let missing: Vec<Tool> = Tool::ALL.into_iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return say("every tool of the tests is here, so that everything is tested\n");
    }
    let mut text = "These tools are missing, and the tests that need them were skipped:\n".to_owned();
    for tool in &missing {
        let (name, what) = tool.describe();
        writeln!(text, "  {name:34} not tested: {what}").unwrap();
    }
    text.push_str("`make deps` installs what can be installed.\n");
    let required: Vec<&Tool> = missing.iter().filter(|tool| !tool.is_optional()).collect();
    assert!(!are_required() || required.is_empty(), "{text}Required, but missing: {required:?}");
    say(&text);
}

/// Runs this test binary itself in an environment without programs.
#[test]
fn a_missing_tool_is_reported_or_fails_the_test_where_tools_are_required() {
    let test = "tools::promtool::promtool_finds_nothing_in_metrics_and_alert_rules";
    let run = |required: bool| {
        let mut again = Command::new(env::current_exe().unwrap());
        again
            .args(["--exact", test])
            .env("PATH", "/nowhere")
            .env_remove("CI")
            .env_remove("CONFOLD_TEST_TOOLS");
        if required {
            again.env("CONFOLD_TEST_TOOLS", "required");
        }
        let output = again.finish();
        (output.status.success(), crate::harness::said(&output))
    };
    let (passed, said) = run(false);
    // The message is visible although the runner hides the output of a test that passes.
    assert!(
        passed && said.contains("it needs promtool; tools::what_is_not_tested_here has the list"),
        "{said}"
    );
    let (passed, said) = run(true);
    assert!(!passed && said.contains("this test needs promtool; run scripts/test-deps"), "{said}");
}
