//! The rules of the house, as tests: layers, third-party crates, documentation of files, sizes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use confold::wire::code::Code;

/// Modules that import nothing of the crate and that every other one may import.
const EVERYWHERE: &[&str] = &["excerpt", "masking"];

/// Each module, what of the crate it may import, and which third-party crates.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("excerpt", &[], &[]),
    ("display", &[], &[]),
    ("listen", &[], &[]),
    ("address", &["resolver"], &["ureq"]),
    ("resolver", &[], &["ureq"]),
    ("private", &[], &["rustix"]),
    ("unfinished", &["chance", "private"], &[]),
    ("output", &["private", "unfinished"], &["rustix"]),
    ("signals", &["clock"], &["tokio"]),
    ("masking", &[], &[]),
    ("secret_file", &["secret_word", "text_file"], &["rustix", "thiserror"]),
    ("secret_word", &[], &["thiserror"]),
    ("text_file", &[], &["thiserror"]),
    ("written_path", &[], &[]),
    ("domain", &[], &["thiserror"]),
    ("wire", &["domain"], &["serde", "serde_json", "itoa", "strsim", "thiserror"]),
    (
        "auth",
        &["domain", "secret_word"],
        &["hmac", "sha2", "base64", "flate2", "serde", "serde_json", "subtle", "quick_cache", "thiserror"],
    ),
    (
        "store/sqlite",
        &["clock", "domain", "store", "private"],
        &["rusqlite", "tokio", "tracing", "thiserror"],
    ),
    ("store", &["domain", "store"], &["quick_cache", "tokio", "tracing", "thiserror"]),
    (
        "tls",
        &["clock", "domain", "private", "secret_file", "text_file", "unfinished"],
        &["rcgen", "thiserror", "tokio_rustls", "yasna"],
    ),
    ("clock", &["domain"], &[]),
    ("chance", &[], &["getrandom"]),
    ("interchange", &["clock", "domain", "store", "wire"], &["flate2", "serde", "serde_json", "thiserror"]),
    (
        "api",
        &["domain", "wire", "auth", "store", "clock", "chance"],
        &["serde", "serde_json", "itoa", "thiserror"],
    ),
    ("traces", &["address", "chance", "clock", "resolver"], &["serde_json", "tracing", "ureq"]),
    ("openapi", &["api", "wire"], &["serde_json"]),
    ("metrics", &["api", "auth", "domain", "store", "wire"], &["rustix"]),
    (
        "controls",
        &["clock", "domain", "wire", "auth", "store", "chance", "interchange", "api"],
        &["serde", "serde_json", "tempfile", "thiserror", "tokio"],
    ),
    (
        "http",
        &[
            "domain",
            "wire",
            "auth",
            "store",
            "clock",
            "tls",
            "api",
            "chance",
            "interchange",
            "controls",
            "metrics",
            "openapi",
            "traces",
        ],
        &[
            "bytes",
            "flate2",
            "http_body_util",
            "hyper",
            "hyper_util",
            "memchr",
            "percent_encoding",
            "rustix",
            "serde",
            "serde_json",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
    ),
    ("log", &["clock", "display"], &["clap", "serde_json", "tracing", "tracing_subscriber"]),
    (
        "config",
        &[
            "address",
            "listen",
            "domain",
            "wire",
            "auth",
            "store",
            "tls",
            "api",
            "http",
            "log",
            "secret_file",
            "secret_word",
            "text_file",
            "written_path",
        ],
        &["thiserror", "toml"],
    ),
    ("server", &["clock", "http", "signals"], &["tokio", "tracing"]),
    (
        "cli",
        &[
            "domain",
            "auth",
            "store",
            "tls",
            "clock",
            "chance",
            "interchange",
            "api",
            "controls",
            "http",
            "config",
            "log",
            "secret_file",
            "metrics",
            "traces",
            "server",
            "address",
            "display",
            "listen",
            "output",
            "private",
            "resolver",
            "signals",
            "text_file",
            "unfinished",
            "written_path",
        ],
        &[
            "anyhow",
            "clap",
            "clap_complete",
            "clap_mangen",
            "indicatif",
            "rustix",
            "serde_json",
            "tempfile",
            "tokio",
            "tracing",
            "ureq",
        ],
    ),
    ("main", &["cli"], &["confold", "tikv_jemallocator"]),
    ("lib", &[], &[]),
];

/// Look again above this many lines that are not tests.
const MOST_LINES: usize = 350;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let source = root().join("src");
    let mut found = Vec::new();
    collect(&source, &mut found);
    let name = |path: &Path| path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn is_test(file: &str) -> bool {
    file.ends_with("_tests.rs") || file == "store/contract.rs"
}

/// A file's text without its trailing tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

fn layer(file: &str) -> (&'static [&'static str], &'static [&'static str]) {
    let place = file.strip_suffix(".rs").unwrap();
    let found = LAYERS.iter().find(|(layer, ..)| place == *layer || place.starts_with(&format!("{layer}/")));
    let (_, inner, outer) =
        found.unwrap_or_else(|| panic!("{file} belongs to no layer; see LAYERS in {}", file!()));
    (inner, outer)
}

/// The names that directly follow `prefix` in the code, comments left out.
fn after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(move |line| line.match_indices(prefix).map(|(at, _)| line[at + prefix.len()..].to_owned()))
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
}

/// What is imported from the crate itself, one line or several: `use crate::{a, b::c}`.
fn inner_imports(text: &str) -> Vec<String> {
    let mut found: Vec<String> = after(text, "crate::").filter(|name| !name.is_empty()).collect();
    for block in text.split("crate::{").skip(1) {
        let mut depth = 0;
        let (mut name, mut told) = (String::new(), false);
        for c in block.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    found.push(name);
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.push(std::mem::take(&mut name));
                    told = false;
                }
                c if depth == 0 && !told && (c.is_ascii_alphanumeric() || c == '_') => name.push(c),
                ':' if depth == 0 && !told && !name.is_empty() => {
                    found.push(std::mem::take(&mut name));
                    told = true;
                }
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn imports_are_read_in_every_form() {
    let text = "use crate::{a, b::{c, d}, e::f};\nuse crate::g::h;\nlet x = crate::i();\nuse crate::{\n    j,\n    k::l,\n    m\n};";
    let mut found = inner_imports(text);
    found.sort();
    assert_eq!(found, ["a", "b", "e", "g", "i", "j", "k", "m"]);
}

#[test]
fn imports_go_downward_only() {
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        let (inner, _) = layer(file);
        let own = file.split(['/', '.']).next().unwrap();
        for name in inner_imports(production(text)) {
            assert!(
                name == own || EVERYWHERE.contains(&name.as_str()) || inner.contains(&name.as_str()),
                "{file} imports crate::{name}, which its layer may not; see LAYERS and ARCHITECTURE.md"
            );
        }
        assert!(!text.contains("super::super"), "{file} reaches over its parent");
    }
}

#[test]
fn third_party_crates_stay_in_their_layers() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let crates: Vec<String> = (dependencies.lines())
        .filter_map(|line| Some(line.split_once([' ', '='])?.0.trim().replace('-', "_")))
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect();
    assert!(crates.len() > 10);
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        let (_, outer) = layer(file);
        for name in &crates {
            let prefix = format!("{name}::");
            let named =
                production(text).lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
                    line.match_indices(&prefix).any(|(at, _)| {
                        !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                    })
                });
            if named {
                *used.entry(name).or_default() += 1;
                assert!(
                    outer.contains(&name.as_str()),
                    "{file} uses the crate {name}, which its layer may not"
                );
            }
        }
    }
    for name in &crates {
        assert!(used.contains_key(name.as_str()), "the dependency {name} is used nowhere");
    }
}

#[test]
fn databases_and_numbers_stay_in_their_rooms() {
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        let text = production(text);
        if !file.starts_with("api/") && !file.starts_with("wire/") && !file.starts_with("http/") {
            let named: Vec<String> = after(text, " Code::")
                .filter(|name| !["ALL", "MEANINGS", "of"].contains(&name.as_str()))
                .collect();
            assert!(named.is_empty(), "{file} knows an error number: {named:?}");
        }
        if !file.starts_with("store/") {
            assert!(!text.contains("SELECT "), "{file} speaks to a database");
        }
    }
}

#[test]
fn no_error_number_stands_outside_the_table_of_codes() {
    let codes = Code::ALL.iter().map(|(_, code)| code).chain(Code::ELSEWHERE);
    // 0 is a number like any other.
    let numbers: BTreeSet<String> =
        codes.filter(|code| **code != Code::OK).map(|code| code.number().to_string()).collect();
    // What is said to people may name a number: a text on one line, and the long texts of config/.
    let is_exempt = |file: &str| is_test(file) || file == "wire/code.rs" || file.starts_with("config/");
    for (file, text) in sources().iter().filter(|(file, _)| !is_exempt(file)) {
        for line in production(text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            let code: String = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
            for word in code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let number = word.replace('_', "");
                assert!(!numbers.contains(&number), "{file}: {word} belongs into wire/code.rs: {line}");
            }
        }
    }
}

#[test]
fn every_file_says_why_it_exists_and_is_not_too_long() {
    for (file, text) in sources() {
        if !file.ends_with("_tests.rs") || text.starts_with("//!") {
            assert!(text.starts_with("//! ") || is_test(&file), "{file} does not begin with its purpose");
        }
        let lines = production(&text).lines().count();
        assert!(is_test(&file) || lines <= MOST_LINES, "{file} has {lines} lines");
    }
}

#[test]
fn no_room_is_called_after_nothing() {
    for (file, _) in sources() {
        for name in ["util", "utils", "common", "helper", "helpers", "misc"] {
            assert!(!file.split(['/', '.']).any(|part| part == name), "{file}");
        }
    }
}
