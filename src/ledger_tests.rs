//! The tests of this library that `docs/compatibility.md` names.

use std::{fs, path::Path, process::Command};

#[test]
fn every_test_of_the_library_that_the_page_about_compatibility_names_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let page = fs::read_to_string(page).unwrap();
    let listed = |more: &[&str]| {
        let mut program = Command::new(std::env::current_exe().unwrap());
        #[expect(clippy::disallowed_methods, reason = "this program lists its tests and ends")]
        let output = program.args(["--list", "--format", "terse"]).args(more).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (all, ignored) = (listed(&[]), listed(&["--ignored"]));
    let named = page.split('`').filter_map(|word| word.strip_prefix("confold::"));
    let named: Vec<&str> = named.filter(|name| !name.is_empty()).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let line = format!("{name}: test");
        let is_run = all.lines().any(|one| one == line) && !ignored.lines().any(|one| one == line);
        assert!(is_run, "docs/compatibility.md names confold::{name}, which is not a test of the library");
    }
}
