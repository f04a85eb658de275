//! Tests the recipes of docs/ci.md, run unchanged in a folder in which an earlier run has left its ready file.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::{Tool, is_missing, root};
use crate::{harness::said, wait::Finish};

/// The blocks that no test runs, each identified by a unique part, with the reason.
const NOT_RUN: [(&str, &str); 3] = [
    ("docker build", "no container engine is needed by the tests"),
    ("docker run -d", "the same"),
    ("cargo build --release", "a release build takes minutes"),
];

/// Returns the blocks of the page in this language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Creates a project folder with the ready file of a server that has ended, fixtures and tests.
fn project(fixtures: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    // The port is free again, so that no server answers there.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(folder.path().join("ready"), format!("http://{gone}\n")).unwrap();
    fs::write(folder.path().join("fixtures.ndjson"), fixtures).unwrap();
    let make = "test:\n\t@curl --fail-with-body -sS \"$$CHAT_URL/readyz\"\n\t@echo tests ran\n";
    fs::write(folder.path().join("Makefile"), make).unwrap();
    folder
}

/// Returns a shell in which `confold` is the built binary.
fn shell(program: &str, script: &str, folder: &Path) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_confold")).parent().unwrap();
    let mut command = Command::new(program);
    command.args(["-c", &format!("PATH=\"{}:$PATH\"\n{script}", built.display())]);
    command.current_dir(folder).env("TMPDIR", folder);
    // Remove make's variables, which would make the recipe's own make print folder names.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS");
    command.stdin(Stdio::null());
    command
}

fn fixture() -> String {
    json!({"Kind": "account", "SdkAppId": 1_400_000_001, "UserID": "ann"}).to_string()
}

#[test]
fn the_shell_recipe_runs_beside_a_ready_file_of_an_earlier_run() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let (run, left): (Vec<String>, Vec<String>) =
        blocks("sh").into_iter().partition(|block| !NOT_RUN.iter().any(|(part, _)| block.contains(part)));
    assert_eq!(left.len(), NOT_RUN.len(), "every block should be run or be listed in NOT_RUN");
    assert_eq!(run.len(), 1, "{run:?}");
    let folder = project(&fixture());
    let output = shell("sh", &run[0], folder.path()).finish();
    let shown = said(&output);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains(r#""Changed":1"#) && shown.contains("ready\ntests ran\n"), "{shown}");
    // A bad fixture ends the recipe before the tests, with a reason.
    let folder = project(&fixture().replace("UserID", "UserIDs"));
    let output = shell("sh", &run[0], folder.path()).finish();
    let shown = said(&output);
    assert!(!output.status.success() && !shown.contains("tests ran"), "{shown}");
    assert!(shown.contains(r#""ErrorInfo":"line 1: UserIDs is refused"#), "{shown}");
}

/// Returns the scripts of the steps, in their order.
fn steps(workflow: &str) -> Vec<String> {
    let lines: Vec<&str> = workflow.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(script) = line.trim_start().trim_start_matches("- ").strip_prefix("run: ") else { continue };
        found.push(match script {
            "|" => {
                let deeper = lines[index + 1..].iter().take_while(|next| indent(next) > indent(line));
                deeper.fold(String::new(), |script, line| script + line.trim_start() + "\n")
            }
            script => script.to_owned(),
        });
    }
    found
}

/// Runs the steps like the CI runner: each in a separate shell, with the environment passed on in a file.
fn run_steps(steps: &[String], folder: &Path) -> Vec<Output> {
    let environment = folder.join("environment");
    fs::write(&environment, "").unwrap();
    let mut groups = Vec::new();
    let outputs = steps.iter().map(|step| {
        let mut command = shell("bash", &format!("set -e\n{step}"), folder);
        command.env("RUNNER_TEMP", folder).env("GITHUB_ENV", &environment).process_group(0);
        let carried = fs::read_to_string(&environment).unwrap();
        command.envs(carried.lines().filter_map(|line| line.split_once('=')));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        groups.push(child.id());
        child.finish()
    });
    let outputs = outputs.collect();
    // The server outlives its step, as in CI, until the job ends.
    for group in groups {
        let group = i32::try_from(group).ok().and_then(Pid::from_raw).unwrap();
        let _ = kill_process_group(group, Signal::TERM);
    }
    outputs
}

#[test]
fn the_steps_of_the_workflow_run_beside_a_ready_file_of_an_earlier_run() {
    if is_missing(&[Tool::Bash, Tool::Curl]) {
        return;
    }
    let workflow = blocks("yaml");
    let steps = steps(&workflow[0]);
    assert_eq!((workflow.len(), steps.len()), (1, 4), "{steps:?}");
    let folder = project("");
    let outputs = run_steps(&steps, folder.path());
    let shown: Vec<String> = outputs.iter().map(said).collect();
    assert!(outputs.iter().all(|output| output.status.success()), "{shown:?}");
    assert_eq!(
        (shown[2].as_str(), shown[3].as_str()),
        ("ready\ntests ran\n", r#"{"Calls":[]}"#),
        "{shown:?}"
    );
}
