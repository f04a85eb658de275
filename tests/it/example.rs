//! The example of a user's own project, as its README says to run it.

use std::{path::Path, process::Command};

#[test]
fn the_tests_of_the_example_project_pass() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python-project");
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "-v"])
        .current_dir(project)
        .env("CONFOLD", env!("CARGO_BIN_EXE_confold"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 8 tests"), "{said}");
}
