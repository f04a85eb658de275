//! Tests the example project of a user, run as its README describes.

use std::process::Command;

use super::{LONG, Tool, is_missing, root};
use crate::wait::Finish;

#[test]
fn the_tests_of_the_example_project_pass() {
    if is_missing(&[Tool::Python]) {
        return;
    }
    let project = root().join("examples/python-project");
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "-v"])
        .current_dir(project)
        .env("CONFOLD", env!("CARGO_BIN_EXE_confold"))
        .finish_within(LONG);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 8 tests"), "{said}");
}
