//! Checks of the Dockerfile as text, because the tests do not build images.

use std::{fs, path::Path, process::Command};

use crate::wait::Finish;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_dockerfile_matches_the_source() {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(
        text.contains(&format!("FROM rust:{version}-")),
        "the compiler version should be that of Cargo.toml"
    );
    for line in text.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        for source in &words[..words.len() - 1] {
            assert!(root().join(source).exists(), "{source} is copied but does not exist");
        }
    }
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    for member in members.split(", ").map(|member| member.trim_matches('"')) {
        let folder = member.split('/').next().unwrap();
        assert!(text.contains(&format!("COPY {folder} {folder}\n")), "{member} should be copied");
    }
    // Everything that the sources include is copied as well.
    assert!(text.contains("COPY src src") && !text.contains("USER 0") && text.contains("USER 65532:65532"));
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_confold")).args(arguments).arg("--help").finish();
        assert!(output.status.success(), "{arguments:?} should be a command");
        String::from_utf8(output.stdout).unwrap()
    };
    let last_stage = text.split("FROM scratch").nth(1).unwrap();
    let command = last_stage.split("CMD [\"dev\"").nth(1).unwrap();
    assert!(help(&["dev"]).contains("--listen") && command.contains("\"--listen\""));
    assert!(help(&["healthcheck"]).contains("--url") && last_stage.contains("\"healthcheck\", \"--url\""));
}
