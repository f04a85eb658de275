//! Tests the gate that compares instruction counts with their budget: its result and messages for given counts.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::wait::Finish;

/// Compares counts with a budget of 1,000 instructions for a hot read, recorded with a compiler that does not exist.
fn compared(found: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let budget = folder.path().join("budget.toml");
    fs::write(&budget, "[instructions]\nhot_read = 1000\n[with]\nrustc = \"rustc 0.1\"\n").unwrap();
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/instructions/measure"));
    command.arg("--budget").arg(budget).args(found.iter().flat_map(|one| ["--found", one]));
    command.finish()
}

#[test]
fn a_figure_within_two_per_cent_passes() {
    for found in ["hot_read=1000", "hot_read=1019", "hot_read=981"] {
        let output = compared(&[found]);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_figure_that_rose_or_fell_or_has_no_budget_is_named_with_the_way_to_record_it() {
    for (found, sentence) in [
        (
            "hot_read=1021",
            "hot_read (get_contact_group from memory) rose from 1,000 to 1,021 instructions a call, by 2.1 %",
        ),
        (
            "hot_read=900",
            "hot_read (get_contact_group from memory) fell from 1,000 to 900 instructions a call, by 10.0 %",
        ),
        ("lone_mark=5", "lone_mark has no budget"),
    ] {
        let output = compared(&["hot_read=1000", found]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(sentence), "{said}");
        assert!(said.contains("rustc was rustc 0.1, is rustc 1."), "{said}");
        assert!(said.contains("make instructions RECORD=1"), "{said}");
    }
}
