//! Tests the script that installs missing packages: it asks only for those that are missing.

use std::{
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use crate::wait::Finish;

/// Runs the script as a user without rights on a system without package managers, so that it can only print the
/// command.
fn asked_for(things: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, program) in [("sh", "/bin/sh"), ("cat", "/bin/cat"), ("id", "/bin/true")] {
        symlink(program, folder.path().join(name)).unwrap();
    }
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/packages"))
        .args(things)
        .env("PATH", folder.path())
        .env_remove("CI")
        .finish()
}

#[test]
fn installed_packages_are_not_requested() {
    let output = asked_for(&["sh:sh", "cat:coreutils", "/bin/sh:dash"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn missing_packages_are_requested_in_one_command() {
    let output = asked_for(&["sh:sh", "no-such-command:one", "/no/such/file:two", "three"]);
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("Packages are missing. Run: sudo sh -c '"), "{said}");
    assert!(said.ends_with("--no-install-recommends one two three'\n"), "{said}");
}
