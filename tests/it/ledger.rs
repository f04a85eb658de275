//! `docs/compatibility.md` against the code and the tests: nothing without a row, no row without its
//! thing.

use std::{collections::BTreeSet, fs, path::Path};

use confold::{
    api::Absent,
    wire::{OBJECTS, code::Code},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of all tables: key, statement, and the tests named.
fn rows() -> Vec<(String, String, Vec<String>)> {
    let text = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    (text.lines())
        .filter(|line| line.starts_with("| ") && !line.starts_with("| |"))
        .map(cells)
        .filter(|cells| {
            !["code", "codes", "service", "field", "field of a reply", "parameter", "limit", "reason"]
                .contains(&cells[0].as_str())
        })
        .map(|cells| {
            let named = cells.get(3).map_or("", String::as_str);
            let tests = named.split(',').map(|test| test.trim().trim_matches('`').to_owned());
            (cells[0].clone(), cells[1].clone(), tests.filter(|test| !test.is_empty()).collect())
        })
        .collect()
}

fn keys() -> BTreeSet<String> {
    rows().into_iter().map(|(key, ..)| key).collect()
}

/// Where a file of tests is, by the name the ledger gives it.
fn file_of(name: &str) -> std::path::PathBuf {
    let places = [
        format!("tests/it/{name}.rs"),
        format!("tests/it/hostile/{name}.rs"),
        format!("tests/it/tools/{name}.rs"),
        format!("src/api/{name}.rs"),
        format!("src/domain/{name}.rs"),
        format!("src/wire/{name}.rs"),
        format!("src/auth/{name}.rs"),
        format!("crates/usersig/src/{name}.rs"),
        format!("src/store/{name}.rs"),
        format!("src/store/sqlite/{name}.rs"),
        format!("src/call/{name}.rs"),
        format!("src/http/{name}.rs"),
    ];
    let found = places.iter().map(|place| root().join(place)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no file of tests named {name}"))
}

/// The variants of an enum, read from its source.
fn variants(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let body = text.split(&format!("pub enum {name} {{\n")).nth(1).unwrap().split("\n}").next().unwrap();
    let names =
        body.lines().filter(|line| line.starts_with("    ") && line.as_bytes()[4].is_ascii_uppercase());
    names.map(|line| line.trim().chars().take_while(char::is_ascii_alphanumeric).collect()).collect()
}

/// What a story has to contain to show a row: the number of a code, the names of fields.
fn words(key: &str) -> Vec<String> {
    if key.parse::<u32>().is_ok() {
        return vec![format!("Code\":{key}")];
    }
    match key.strip_prefix("reply: ") {
        Some(fields) => fields.split(", ").map(|field| format!("\"{field}\":")).collect(),
        None if key.starts_with('`') && !key.contains("::") => {
            vec![format!("\"{}\":", key.trim_matches('`'))]
        }
        None => Vec::new(),
    }
}

/// Whether `function` is a test of this text: marked as one, in a block of properties, or run by the
/// suite of the stores.
fn is_test(text: &str, function: &str) -> bool {
    let Some(at) = text.find(&format!("fn {function}(")) else { return false };
    let before = &text[..at];
    let marked = before.trim_end().ends_with("#[test]");
    let listed = text.contains("suite! {") && text.split("suite! {").nth(1).unwrap().contains(function);
    (marked || listed) && !before.ends_with("#[ignore]")
}

#[test]
fn every_test_named_exists_and_every_row_has_one_or_says_why_not() {
    let rows = rows();
    assert!(rows.len() > 200, "{}", rows.len());
    for (key, statement, tests) in rows {
        let excused =
            ["Later:", "Cannot occur:", "cannot occur:"].iter().any(|why| statement.starts_with(why));
        assert!(excused || !tests.is_empty(), "{key} names no test and does not say why");
        for test in tests {
            let (file, function) = test.split_once("::").unwrap_or_else(|| panic!("{key}: {test}"));
            if file == "golden" {
                let story = root().join(format!("tests/it/golden/{function}.txt"));
                let story = fs::read_to_string(&story).unwrap_or_else(|_| panic!("{key} names {test}"));
                // A story has to tell what it is named for: the code, or the field.
                for word in words(&key) {
                    assert!(story.contains(&word), "{key} names {test}, where {word} does not occur");
                }
                continue;
            }
            let text = fs::read_to_string(file_of(file)).unwrap();
            assert!(is_test(&text, function), "{key} names {test}, which is no test");
        }
    }
}

#[test]
fn every_code_field_decision_ambiguity_line_and_reason_has_a_row_and_no_row_is_stray() {
    let mut expected = BTreeSet::new();
    expected.extend(Code::ALL.iter().map(|(_, code)| code.number().to_string()));
    expected.extend(OBJECTS.iter().flat_map(|object| object.iter()).map(|field| format!("`{field}`")));
    expected.extend((1..=29).chain([31, 32, 34, 35, 36]).map(|number| format!("decision {number}")));
    expected.extend(Absent::all().map(|absent| format!("refused: {}", absent.service())));
    expected.extend((1..=42).map(|number| format!("A{number}")));
    expected.extend((1..=22).map(|number| format!("line {number}")));
    for (file, name) in [
        ("src/domain/rejection.rs", "Rejection"),
        ("src/auth/gate.rs", "Refusal"),
        ("crates/usersig/src/flaw.rs", "Flaw"),
        ("src/api/error.rs", "Error"),
        ("src/store/error.rs", "StoreError"),
    ] {
        let variants = variants(file, name);
        assert!(variants.len() > 4, "{name}: {variants:?}");
        expected.extend(variants.iter().map(|variant| format!("`{name}::{variant}`")));
    }
    // Named by the page this server is built from.
    expected.extend(
        ["CompleteFlag, NextStartIndex", "ErrorDisplay", "GroupItem", "Timestamp"]
            .map(|f| format!("reply: {f}")),
    );
    expected.extend(
        ["sdkappid", "identifier", "usersig", "random", "contenttype"].map(|p| format!("parameter: {p}")),
    );
    let clients = fs::read_dir(root().join("tests/clients")).unwrap();
    expected.extend(clients.map(|client| format!("client: {}", client.unwrap().file_name().display())));
    let found = keys();
    assert_eq!(found.len(), rows().len(), "a row stands twice");
    for key in &expected {
        assert!(found.contains(key), "{key} has no row in docs/compatibility.md");
    }
    let excused: BTreeSet<String> = (rows().into_iter())
        .filter(|(key, statement, _)| {
            ["limit: ", "reply: ", "parameter: "].iter().any(|kind| key.starts_with(kind))
                || statement.starts_with("cannot occur:")
        })
        .map(|(key, ..)| key)
        .collect();
    for key in found.difference(&expected) {
        assert!(excused.contains(key), "the row {key} is about nothing in the code");
    }
    // What cannot occur is not among what occurs.
    for (key, statement, _) in rows() {
        if statement.starts_with("cannot occur:") {
            for number in key.split(", ") {
                assert!(
                    !Code::ALL.iter().any(|(_, code)| code.number().to_string() == number),
                    "{number} does occur"
                );
            }
        }
    }
}

#[test]
fn every_command_that_is_refused_by_name_stands_in_the_row_of_its_service_and_no_other_does() {
    for (key, statement, _) in rows() {
        let Some(service) = key.strip_prefix("refused: ") else { continue };
        let mut found: BTreeSet<String> =
            statement.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if statement.starts_with("every command") {
            found.insert("*".to_owned());
        }
        let of_service = || Absent::all().filter(|absent| absent.service() == service);
        let expected: BTreeSet<String> = of_service().map(|absent| absent.command().to_owned()).collect();
        assert_eq!(found, expected, "{service}");
        for absent in of_service() {
            assert!(statement.contains(absent.reason()), "{service}: {}", absent.reason());
        }
    }
}

/// Messages whose whole text is put together elsewhere.
const MADE_ELSEWHERE: [&str; 5] = ["{doubt}", "{loss}", "{opening}", "{warning}", "{why}"];

/// The message of a call of a macro that logs: the first text among its arguments that is not part of another one.
fn message(arguments: &str) -> Option<String> {
    let (mut depth, mut before, mut rest) = (0, ',', arguments.chars());
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                let mut text = String::new();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => match rest.next()? {
                            '\n' => rest = rest.as_str().trim_start().chars(),
                            escaped => text.push(escaped),
                        },
                        c => text.push(c),
                    }
                }
                if depth == 0 && before == ',' {
                    return Some(text);
                }
            }
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return None,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    None
}

/// How the page about operations shows a message, or begins it if it is long, with … for what differs.
fn shown(message: &str) -> String {
    let mut parts = message.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| text.extend(["…", part.split_once('}').unwrap().1]));
    match text.match_indices(' ').nth(6) {
        Some((end, _)) => format!("`{}", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[test]
fn every_line_of_the_log_stands_in_the_page_about_operations() {
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let lines = page.split("\n## Lines of the log\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let (mut folders, mut found, mut missing) = (vec![root().join("src")], 0, Vec::new());
    let mut elsewhere = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let macros = ["trace!(", "debug!(", "info!(", "warn!(", "error!(", "event!(", " line!("];
            for at in macros.iter().flat_map(|name| text.match_indices(name).map(|(at, _)| at + name.len())) {
                let message = message(&text[at..])
                    .unwrap_or_else(|| panic!("{}: a line without a text", path.display()));
                found += 1;
                if MADE_ELSEWHERE.contains(&message.as_str()) {
                    elsewhere.insert(message);
                } else if !lines.contains(&shown(&message)) {
                    missing.push(message);
                }
            }
        }
    }
    assert!(missing.is_empty(), "docs/operations.md, Lines of the log, has no row for {missing:#?}");
    assert_eq!(elsewhere, MADE_ELSEWHERE.map(str::to_owned).into(), "{found} lines were found");
    assert!(found > 50, "only {found} lines were found");
}
