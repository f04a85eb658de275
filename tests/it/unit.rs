//! Checks of the systemd unit as text, because not every machine has systemd.

use std::{fs, path::Path, process::Command};

use crate::{
    tools::{Tool, is_missing},
    wait::Finish,
};

/// Returns the keys and values of a section.
fn section<'a>(unit: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let text = unit.split(&format!("[{name}]\n")).nth(1).unwrap();
    let lines = text.split("\n[").next().unwrap().lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap())
        .collect()
}

#[test]
fn the_unit_keeps_the_store_private_and_the_server_in_bounds() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/confold.service");
    let unit = fs::read_to_string(&file).unwrap();
    let service = section(&unit, "Service");
    let values = |key: &str| -> Vec<&str> {
        service.iter().filter(|(name, _)| *name == key).map(|(_, value)| *value).collect()
    };
    for (key, value) in [
        ("User", "confold"),
        ("StateDirectory", "confold"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("NoNewPrivileges", "true"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "true"),
        ("PrivateTmp", "true"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("SystemCallFilter", "@system-service"),
    ] {
        assert_eq!(values(key), [value], "{key}");
    }
    let mut names: Vec<&str> = service.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "no key should be set twice");
    // The commands that it runs exist.
    for (key, task) in [("ExecStart", "serve"), ("ExecStartPre", "check-config")] {
        let [command] = values(key)[..] else { panic!("{key}") };
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words, ["/usr/local/bin/confold", task, "--config", "/etc/confold/confold.toml"]);
        let help = Command::new(env!("CARGO_BIN_EXE_confold")).args([task, "--help"]).finish();
        assert!(String::from_utf8(help.stdout).unwrap().contains("--config"));
    }
    assert_eq!(section(&unit, "Install"), [("WantedBy", "multi-user.target")]);
    // Where systemd is installed, it checks the unit, too. Only the missing program is reported.
    if is_missing(&[Tool::SystemdAnalyze]) {
        return;
    }
    let verified = Command::new("systemd-analyze").arg("verify").arg(&file).finish();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let mut of_ours = said.lines().filter(|line| line.contains("confold.service"));
    assert!(of_ours.all(|line| line.contains("/usr/local/bin/confold is not executable")), "{said}");
}
