//! Checks the structure of the source: layers, third-party crates, module documentation, file sizes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use confold::wire::code::Code;

/// Modules that import nothing from the crate and that every other one may import.
const EVERYWHERE: &[&str] = &["excerpt", "log_lines", "masking", "testing"];

/// Each module, with the modules and the third-party crates that it may import.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("testing", &[], &["tokio"]),
    ("excerpt", &[], &[]),
    ("display", &[], &[]),
    ("listen", &[], &[]),
    ("address", &["resolver"], &["ureq"]),
    ("resolver", &[], &["ureq"]),
    ("private", &[], &["rustix"]),
    ("unfinished", &["random", "private"], &[]),
    ("output", &["private", "unfinished"], &["rustix"]),
    ("signals", &["clock"], &["tokio"]),
    ("masking", &[], &[]),
    ("secret_file", &["secret_word", "text_file"], &["rustix", "thiserror"]),
    ("secret_word", &[], &["thiserror"]),
    ("text_file", &[], &["thiserror"]),
    ("written_path", &[], &[]),
    ("vendor_sign", &[], &["sha2"]),
    ("domain", &[], &["thiserror"]),
    ("wire", &["domain"], &["serde", "serde_json", "itoa", "strsim", "thiserror"]),
    (
        "auth",
        &["address", "domain", "secret_word", "vendor_sign"],
        &["quick_cache", "subtle", "tencent_usersig", "thiserror"],
    ),
    ("store/sqlite", &["clock", "domain", "store", "private"], &["rusqlite", "tokio", "thiserror"]),
    ("store", &["clock", "domain", "random", "store"], &["quick_cache", "tokio", "thiserror", "twox_hash"]),
    (
        "tls",
        &["clock", "domain", "private", "secret_file", "text_file", "unfinished"],
        &["rcgen", "thiserror", "tokio_rustls", "yasna"],
    ),
    ("clock", &["domain"], &[]),
    ("random", &[], &["getrandom"]),
    ("opaque", &[], &["base64", "twox_hash"]),
    ("interchange", &["clock", "domain", "store", "wire"], &["flate2", "serde", "serde_json", "thiserror"]),
    (
        "api",
        &["domain", "wire", "auth", "store", "clock", "random", "opaque"],
        &["serde", "serde_json", "itoa", "sha2", "thiserror", "tokio"],
    ),
    ("background", &["clock"], &["tokio"]),
    ("traces", &["address", "background", "random", "resolver"], &["serde_json", "tokio", "ureq"]),
    (
        "webhooks",
        &[
            "address",
            "background",
            "clock",
            "domain",
            "random",
            "resolver",
            "store",
            "tls",
            "vendor_sign",
            "wire",
        ],
        &["base64", "hmac", "serde_json", "sha2", "tokio", "ureq"],
    ),
    ("routes", &["api", "controls", "wire"], &[]),
    ("openapi", &["api", "routes", "wire"], &["serde_json"]),
    ("metrics", &["api", "auth", "domain", "store", "webhooks", "wire"], &["rustix"]),
    (
        "controls",
        &["clock", "domain", "wire", "auth", "store", "random", "interchange", "api"],
        &["serde", "serde_json", "tempfile", "thiserror", "tokio"],
    ),
    (
        "call",
        &[
            "domain",
            "wire",
            "auth",
            "store",
            "clock",
            "api",
            "random",
            "opaque",
            "interchange",
            "controls",
            "metrics",
            "opaque",
            "openapi",
            "routes",
            "traces",
            "webhooks",
        ],
        &[
            "percent_encoding",
            "bytes",
            "flate2",
            "http_body",
            "http_body_util",
            "memchr",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
        ],
    ),
    (
        "http",
        &["api", "auth", "call", "clock", "metrics", "store", "tls", "wire"],
        &["bytes", "http_body_util", "hyper", "hyper_util", "rustix", "tokio", "tokio_rustls"],
    ),
    ("log_lines", &[], &["tracing"]),
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
            "call",
            "http",
            "log",
            "secret_file",
            "secret_word",
            "text_file",
            "webhooks",
            "written_path",
        ],
        &["thiserror", "toml"],
    ),
    ("server", &["background", "clock", "http", "signals"], &["tokio"]),
    (
        "compose",
        &[
            "address",
            "api",
            "auth",
            "background",
            "call",
            "clock",
            "controls",
            "http",
            "metrics",
            "server",
            "store",
            "tls",
            "traces",
            "webhooks",
        ],
        &[],
    ),
    (
        "cli",
        &[
            "domain",
            "auth",
            "store",
            "tls",
            "clock",
            "random",
            "compose",
            "interchange",
            "api",
            "call",
            "controls",
            "http",
            "config",
            "log",
            "secret_file",
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
            "webhooks",
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
            "ureq",
        ],
    ),
    ("main", &["cli"], &["confold", "tikv_jemallocator"]),
    ("lib", &[], &[]),
    // A separate package is one layer.
    (
        "crates/usersig/src",
        &[],
        &["base64", "flate2", "hmac", "serde", "serde_json", "sha2", "subtle", "thiserror"],
    ),
];

/// The folders of the packages in the workspace, starting with that of confold.
const PACKAGES: &[&str] = &["", "crates/usersig/"];

/// The maximum number of lines of a file, not counting tests.
const MOST_LINES: usize = 350;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all source files of a package. Those of confold are named relative to `src/`, those of others by their
/// whole path.
fn sources_of(package: &str) -> Vec<(String, String)> {
    let source = root().join(package).join("src");
    files_in(&source, if package.is_empty() { &source } else { Path::new(env!("CARGO_MANIFEST_DIR")) })
}

/// Returns all Rust files in a folder, with names relative to `base`.
fn files_in(folder: &Path, base: &Path) -> Vec<(String, String)> {
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
    let mut found = Vec::new();
    collect(folder, &mut found);
    let name = |path: &Path| path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn sources() -> Vec<(String, String)> {
    PACKAGES.iter().flat_map(|package| sources_of(package)).collect()
}

fn manifest(package: &str) -> String {
    fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap()
}

fn is_test(file: &str) -> bool {
    file.ends_with("_tests.rs") || file == "store/contract.rs"
}

/// Returns a file's text without the tests at its end.
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

/// Returns the names that directly follow `prefix` in the code, without comments.
fn after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(move |line| line.match_indices(prefix).map(|(at, _)| line[at + prefix.len()..].to_owned()))
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
}

/// Returns what is imported from the crate itself, on one line or several: `use crate::{a, b::c}`.
fn inner_imports(text: &str) -> Vec<String> {
    let mut found: Vec<String> = after(text, "crate::").filter(|name| !name.is_empty()).collect();
    for block in text.split("crate::{").skip(1) {
        let mut depth = 0;
        let (mut name, mut named) = (String::new(), false);
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
                    named = false;
                }
                c if depth == 0 && !named && (c.is_ascii_alphanumeric() || c == '_') => name.push(c),
                ':' if depth == 0 && !named && !name.is_empty() => {
                    found.push(std::mem::take(&mut name));
                    named = true;
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
    for (file, text) in sources_of("").iter().filter(|(file, _)| !is_test(file)) {
        let (inner, _) = layer(file);
        let own = file.split(['/', '.']).next().unwrap();
        for name in inner_imports(production(text)) {
            assert!(
                name == own || EVERYWHERE.contains(&name.as_str()) || inner.contains(&name.as_str()),
                "{file} imports crate::{name}, which its layer may not; see LAYERS and ARCHITECTURE.md"
            );
        }
    }
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        assert!(!text.contains("super::super"), "{file} imports from above its parent");
    }
}

/// Folders whose files still import each other in cycles.
const CIRCULAR: &[&str] = &["auth", "config", "domain", "store::sqlite", "tls"];

/// Returns the paths of all `use` statements one by one: `a::b` and `a::c` for `use a::{b, c}`.
fn used_paths(text: &str) -> Vec<String> {
    fn expand(before: &str, tree: &str, found: &mut Vec<String>) {
        let Some((path, inside)) = tree.split_once('{') else {
            return found.push(format!("{before}{tree}"));
        };
        let (mut depth, mut start) = (0, 0);
        let inside = inside.strip_suffix('}').unwrap_or(inside);
        for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&format!("{before}{path}"), &inside[start..at], found);
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let mut statement = String::new();
    for line in code {
        let import = line.trim_start_matches("pub ").trim_start_matches("pub(super) ");
        if !statement.is_empty() || import.starts_with("use ") {
            statement.push_str(if statement.is_empty() { &import["use ".len()..] } else { line });
        }
        if let Some((tree, _)) = statement.split_once(';') {
            let tree: String = tree.chars().filter(|c| !c.is_whitespace()).collect();
            expand("", &tree, &mut found);
            statement.clear();
        }
    }
    found
}

/// Returns the modules that import each other in cycles, by their folder. `files` are names and texts. An item that a
/// `mod.rs` re-exports counts as the module that defines it.
fn circles(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let module = |file: &str| {
        let place = file.strip_suffix(".rs").unwrap().replace('/', "::");
        place.strip_suffix("mod").map_or(place.clone(), |folder| folder.trim_end_matches(':').to_owned())
    };
    let absolute = |file: &str, path: &str| {
        let own = module(file);
        let parent = own.rsplit_once("::").map_or("", |(parent, _)| parent);
        let joined = |base: &str, rest: &str| format!("{base}::{rest}").trim_start_matches(':').to_owned();
        match path.split_once("::") {
            Some(("crate", rest)) => Some(rest.to_owned()),
            Some(("super", rest)) => Some(joined(parent, rest)),
            Some(("self", rest)) => Some(joined(&own, rest)),
            _ if file.ends_with("mod.rs") => Some(joined(&own, path)),
            _ => None,
        }
    };
    let imports: Vec<(String, String)> = (files.iter())
        .flat_map(|(file, text)| {
            let paths = used_paths(production(text)).into_iter();
            paths.filter_map(|path| Some((module(file), absolute(file, &path)?))).collect::<Vec<_>>()
        })
        .collect();
    let modules: BTreeSet<String> = files.iter().map(|(file, _)| module(file)).collect();
    // Re-exports of folders: `folder::Item` stands for `folder::file::Item`.
    let shown: BTreeMap<String, String> = (imports.iter())
        .filter(|(from, to)| to.starts_with(&format!("{from}::")))
        .filter_map(|(from, to)| Some((format!("{from}::{}", to.rsplit("::").next()?), to.clone())))
        .collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in &imports {
        let to = if modules.contains(to) { to } else { shown.get(to).unwrap_or(to) };
        let (from, to): (Vec<&str>, Vec<&str>) = (from.split("::").collect(), to.split("::").collect());
        let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
        let (one, other) = (from.get(..=shared), to.get(..=shared));
        if let (Some(one), Some(other)) = (one, other)
            && modules.contains(&other.join("::"))
        {
            edges.entry(one.join("::")).or_default().insert(other.join("::"));
        }
    }
    let reaches_itself = |start: &String| {
        let mut waiting: Vec<&String> = edges[start].iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(next) = waiting.pop() {
            if seen.insert(next) {
                waiting.extend(edges.get(next).into_iter().flatten());
            }
        }
        seen.contains(start)
    };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in edges.keys().filter(|name| reaches_itself(name)) {
        let folder = name.rsplit_once("::").map_or("", |(folder, _)| folder);
        found.entry(folder.to_owned()).or_default().insert(name.clone());
    }
    found
}

#[test]
fn circles_are_found_in_every_form() {
    let circle = |one: &str, other: &str, shown: &str| {
        let files =
            [("a/mod.rs", shown), ("a/one.rs", one), ("a/other.rs", other), ("b.rs", "use crate::a::One;")];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        circles(&files).into_keys().collect::<Vec<_>>()
    };
    let (plain, none) = ("use super::other::{self, Other};\n", Vec::<String>::new());
    assert_eq!(circle(plain, "use std::io;\n", ""), none);
    for back in [
        "use super::one;",
        "use crate::{\n    c::C,\n    a::{d::D, one::One},\n};",
        "fn f() {}\nuse super::one;",
        "pub use super::one::One;",
    ] {
        assert_eq!(circle(plain, back, ""), ["a"], "{back}");
    }
    assert_eq!(
        circle(plain, "use super::One;", "mod one;\npub use one::{One, Two};"),
        ["a"],
        "through a re-export"
    );
    assert_eq!(circle(plain, "// use super::one;", ""), none);
}

#[test]
fn files_of_a_folder_do_not_import_each_other_in_a_circle() {
    let files: Vec<_> = sources().into_iter().filter(|(file, _)| !is_test(file)).collect();
    for (folder, modules) in circles(&files) {
        assert!(CIRCULAR.contains(&folder.as_str()), "there is an import cycle in {folder:?}: {modules:?}");
    }
}

#[test]
fn every_package_of_the_workspace_is_covered() {
    let manifest = manifest("");
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members: Vec<String> =
        members.split(", ").map(|member| format!("{}/", member.trim_matches('"'))).collect();
    assert_eq!(members, PACKAGES[1..], "see PACKAGES in {}", file!());
}

#[test]
fn third_party_crates_stay_in_their_layers() {
    for package in PACKAGES {
        check_third_party_crates(package);
    }
}

fn check_third_party_crates(package: &str) {
    let manifest = manifest(package);
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let crates: Vec<String> = (dependencies.lines())
        .filter_map(|line| Some(line.split_once([' ', '='])?.0.trim().replace('-', "_")))
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect();
    assert!(crates.len() > 5, "{package}: {crates:?}");
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, text) in sources_of(package).iter().filter(|(file, _)| !is_test(file)) {
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
        assert!(
            used.contains_key(name.as_str()),
            "the dependency {name} of {package}Cargo.toml is used nowhere"
        );
    }
}

#[test]
fn databases_and_error_numbers_stay_in_their_modules() {
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        let text = production(text);
        if !file.starts_with("api/")
            && !file.starts_with("wire/")
            && !file.starts_with("call/")
            && !file.starts_with("http/")
        {
            let named: Vec<String> = after(text, " Code::")
                .filter(|name| !["ALL", "MEANINGS", "of"].contains(&name.as_str()))
                .collect();
            assert!(named.is_empty(), "{file} contains an error number: {named:?}");
        }
        if !file.starts_with("store/") {
            assert!(!text.contains("SELECT "), "{file} should not contain SQL");
        }
    }
}

#[test]
fn error_numbers_are_written_only_in_the_table_of_codes() {
    let codes = Code::ALL.iter().map(|(_, code)| code).chain(Code::ELSEWHERE);
    // Leave out 0, because it is not only an error code.
    let numbers: BTreeSet<String> =
        codes.filter(|code| **code != Code::OK).map(|code| code.number().to_string()).collect();
    // Texts for people may contain a number: a string on one line, and the long texts of config/.
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
            assert!(text.starts_with("//! ") || is_test(&file), "{file} should begin with its purpose");
        }
        let lines = production(&text).lines().count();
        assert!(is_test(&file) || lines <= MOST_LINES, "{file} has {lines} lines");
    }
}

/// Returns the files that no other file declares as a module. The compiler does not see them.
fn undeclared(files: &[(String, String)]) -> Vec<&str> {
    let is_declared = |file: &str| {
        let place = file.strip_suffix("/mod.rs").or(file.strip_suffix(".rs")).unwrap();
        let (folder, name) = place.rsplit_once('/').map_or(("", place), |(folder, name)| (folder, name));
        let (plain, by_path) = (format!("mod {name};"), format!("#[path = \"{name}.rs\"]"));
        files.iter().any(|(other, text)| {
            let (around, base) = other.rsplit_once('/').unwrap_or(("", other));
            let is_root = ["mod.rs", "lib.rs", "main.rs"].contains(&base) && around == folder;
            let is_beside = other.strip_suffix(".rs") == Some(folder);
            text.lines().any(|line| {
                ((is_root || is_beside) && line.ends_with(&plain))
                    || (around == folder && line.trim() == by_path)
            })
        })
    };
    let files = files.iter().map(|(file, _)| file.as_str());
    files.filter(|file| !["lib.rs", "main.rs"].contains(file) && !is_declared(file)).collect()
}

#[test]
fn files_without_a_declaration_are_found() {
    let files = [
        ("lib.rs", "mod a;\npub mod b;"),
        ("a.rs", "mod three;\n#[path = \"a_tests.rs\"]\nmod tests;"),
        ("a_tests.rs", ""),
        ("b/mod.rs", "mod one;\n// mod two"),
        ("b/one.rs", "mod a;\nmod two;"),
        ("b/two.rs", ""),
        ("c/mod.rs", ""),
        ("a/three.rs", ""),
        ("a/four.rs", ""),
    ];
    let files = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
    assert_eq!(undeclared(&files), ["b/two.rs", "c/mod.rs", "a/four.rs"]);
}

#[test]
fn every_file_is_compiled() {
    let folders = PACKAGES.iter().map(|package| root().join(package).join("src"));
    for folder in folders.chain([root().join("tests/it")]) {
        let files = files_in(&folder, &folder);
        assert_eq!(undeclared(&files), [""; 0], "in {}, no file declares these modules", folder.display());
    }
}

#[test]
fn no_module_has_a_meaningless_name() {
    for (file, _) in sources() {
        for name in ["util", "utils", "common", "helper", "helpers", "misc"] {
            assert!(!file.split(['/', '.']).any(|part| part == name), "{file}");
        }
    }
}
