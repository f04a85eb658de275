//! Compares `docs/compatibility.md` with the code and the tests: everything has a row, and every row belongs to
//! something.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command as Process,
    sync::Mutex,
    thread,
};

use confold::{
    api::{Absent, Command, Error},
    auth::{Refusal, usersig::Flaw},
    domain::{ChatGroupRejection, Rejection},
    log_lines, openapi,
    store::StoreError,
    wire::code::Code,
};

use crate::{harness::CODES, wait::Finish};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One row of the tables.
struct Row {
    key: String,
    statement: String,
    sources: Vec<String>,
    tests: Vec<String>,
}

impl Row {
    /// Returns whether the row explains why no test covers it.
    fn is_excused(&self) -> bool {
        ["Later:", "Cannot occur:", "cannot occur:"].iter().any(|why| self.statement.starts_with(why))
    }

    /// Returns the tests of this test binary that the row names.
    fn tests_here(&self) -> impl Iterator<Item = &String> {
        self.tests
            .iter()
            .filter(|test| !OF_OTHER_PROGRAMS.iter().any(|crate_name| test.starts_with(crate_name)))
    }

    /// Returns whether the row is about a code that is never returned.
    fn cannot_occur(&self) -> bool {
        self.statement.starts_with("cannot occur:")
    }
}

/// The first cells of table headers.
const HEADS: [&str; 9] =
    ["code", "codes", "service", "field", "field of a reply", "parameter", "limit", "reason", "source"];

/// Returns the rows of the tables below the headings. Tables about sources come before these.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let list = |cell: Option<&String>| -> Vec<String> {
        let items = cell.map_or("", String::as_str).split(',').map(|item| item.trim().trim_matches('`'));
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    (text.lines())
        .filter(|line| line.starts_with("| ") && !line.starts_with("| |"))
        .map(cells)
        .filter(|cells| !HEADS.contains(&cells[0].as_str()))
        .map(|cells| Row {
            key: cells[0].clone(),
            statement: cells[1].clone(),
            sources: list(cells.get(2)),
            tests: list(cells.get(3)),
        })
        .collect()
}

/// What the names of tests of the library begin with, and those of the package `tencent-usersig`.
const LIBRARY: &str = "confold::";
const USERSIG: &str = "tencent_usersig::";
const OF_OTHER_PROGRAMS: [&str; 2] = [LIBRARY, USERSIG];

/// The tests of this program, without those that are ignored.
pub(crate) fn tests() -> BTreeSet<String> {
    tests_of(&std::env::current_exe().unwrap())
}

/// The tests of `tencent-usersig`, from the newest test program of that package next to this one. There is none unless the
/// whole workspace is tested.
fn tests_of_usersig() -> Option<BTreeSet<String>> {
    let this = std::env::current_exe().unwrap();
    let programs = fs::read_dir(this.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_program = |path: &PathBuf| {
        path.file_name().unwrap().to_string_lossy().starts_with("tencent_usersig-")
            && path.extension().is_none()
    };
    let newest =
        programs.filter(is_program).max_by_key(|path| path.metadata().unwrap().modified().unwrap())?;
    Some(tests_of(&newest))
}

/// The tests of a test program, without those that are ignored.
fn tests_of(program: &Path) -> BTreeSet<String> {
    let listed = |more: &[&str]| -> BTreeSet<String> {
        let mut program = Process::new(program);
        let output = program.args(["--list", "--format", "terse"]).args(more).finish();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
    };
    &listed(&[]) - &listed(&["--ignored"])
}

/// Lists the variants of an enum, with a match that does not compile when one is missing.
macro_rules! variants {
    ($name:ident: $($variant:ident)+) => {{
        let _: fn(&$name) = |reason| match reason { $($name::$variant { .. })|+ => {} };
        [$(concat!("`", stringify!($name), "::", stringify!($variant), "`")),+]
    }};
}

/// Returns the name of every reason for a refusal.
fn reasons() -> Vec<&'static str> {
    let mut all = Vec::new();
    all.extend(variants!(Rejection:
        UnknownOwner Administrator Import UnknownPeer UnknownChatGroup NotMember DisbandedChatGroup UnreadablePeer TooManyGrouped TooManyMarked
        TooManyPinned TooManyGroups TooManyTags NoGroupIdLeft NoSuchGroup NameTaken NameLength NameCharacter IdLength IdCharacter MarkBit
        MarkText CustomMarkLength Unreadable NothingToApply NothingToUndo Erased BatchSize));
    all.extend(variants!(ChatGroupRejection:
        Unknown UnknownUser Taken Own Spent NoMemberList Full OwnerStays TooMany NotInGroup OwnersRole OwnerOnly NoMuting));
    all.extend(variants!(Refusal:
        NoAppId MalformedAppId UnknownApp NoIdentity Signature NoKey TooManyFailures Denied Disabled Closed
        PlanExpired Source NotAdmin));
    all.extend(variants!(Flaw:
        Empty TooLong Base64 Zlib TooLarge Json Version1 Field IdentifierForm Userbuf App Identifier Forged Expired));
    all.extend(variants!(Error:
        Http Injected NoResource NoCommand Absent NotSwitchedOn Refused Frequency AppFrequency Edition Json AccountType Fault
        Rejected At GroupTextLength ProfileLength NoChatGroup ChatGroupIdForm ChatGroupTaken ChatGroupOwn ManyMembers
        NoMemberList NoRemoval ChatGroupFull OwnerStays ChatGroupValue ChatGroupDenied LongReply NoUser NoAccount Profile NoProfiles Message Timeout Contended ManyBodies Store));
    all.extend(variants!(StoreError:
        Failed Lost Full ReadOnly Moved Damaged Rule Conflict Elsewhere KeyReused Busy Closed));
    all
}

/// Returns what a story has to contain to cover a row: the number of a code, or the names of fields.
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

#[test]
fn every_test_named_exists_and_every_row_has_one_or_says_why_not() {
    let (rows, existing, of_usersig) = (rows(), tests(), tests_of_usersig());
    assert!(rows.len() > 200, "{}", rows.len());
    for row in rows {
        let key = &row.key;
        assert!(row.is_excused() || !row.tests.is_empty(), "{key} names no test and does not say why");
        for test in &row.tests {
            if let Some(story) = test.strip_prefix("golden::") {
                let path = root().join(format!("tests/it/golden/{story}.txt"));
                let story = fs::read_to_string(path).unwrap_or_else(|_| panic!("{key} names {test}"));
                // A story has to contain what the row is about: the code or the field.
                for word in words(key) {
                    assert!(story.contains(&word), "{key} names {test}, where {word} does not occur");
                }
            } else if let Some(name) = test.strip_prefix(USERSIG) {
                let is_there = of_usersig.as_ref().is_none_or(|tests| tests.contains(name));
                assert!(is_there, "{key} names {test}, which is not a test");
            // The library checks the names of its own tests (src/ledger_tests.rs).
            } else if !test.starts_with(LIBRARY) {
                assert!(existing.contains(test), "{key} names {test}, which is not a test");
            }
        }
    }
}

/// Runs a test of this binary and returns the codes of all answers that it gets. Whether the test succeeds does not
/// matter here.
fn codes_seen_by(test: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("codes");
    let mut program = Process::new(std::env::current_exe().unwrap());
    program.args(["--exact", test]).env(CODES, &file).finish();
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Checks that tests cover the codes of their rows: a story by its text, and any other test by the answers that it
/// gets.
#[test]
fn every_code_is_seen_by_a_test_that_its_row_names() {
    let rows = rows();
    let is_shown = |row: &Row| row.tests.iter().any(|test| test.starts_with("golden::"));
    let codes: Vec<&Row> = rows
        .iter()
        .filter(|row| row.key.parse::<u32>().is_ok() && !row.cannot_occur() && !is_shown(row))
        .collect();
    let named: BTreeSet<String> = codes.iter().flat_map(|row| row.tests_here()).cloned().collect();
    let waiting = Mutex::new(named.into_iter());
    let seen = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(test) = { waiting.lock().unwrap().next() } {
                    let codes = codes_seen_by(&test);
                    seen.lock().unwrap().insert(test, codes);
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    let is_seen = |row: &&Row| row.tests_here().any(|test| seen[test].contains(&row.key));
    let (shown, missing): (Vec<&Row>, Vec<&Row>) = codes.into_iter().partition(is_seen);
    let missing: Vec<(&String, &Vec<String>)> = missing.iter().map(|row| (&row.key, &row.tests)).collect();
    assert!(missing.is_empty(), "codes that no test of their row gets: {missing:#?}");
    assert!(shown.len() > 20, "only {} codes are looked for", shown.len());
}

/// Returns the numbers in the keys of rows of one kind, without their prefix.
fn numbers(rows: &[Row], kind: &str) -> BTreeSet<u32> {
    rows.iter().filter_map(|row| row.key.strip_prefix(kind)?.parse().ok()).collect()
}

#[test]
fn every_code_field_decision_ambiguity_line_and_reason_has_a_row_and_no_row_is_stray() {
    let rows = rows();
    let found: BTreeSet<String> = rows.iter().map(|row| row.key.clone()).collect();
    assert_eq!(found.len(), rows.len(), "no row should appear twice");
    let mut expected = BTreeSet::new();
    expected.extend(Code::ALL.iter().map(|(_, code)| code.number().to_string()));
    let requests = Command::ALL.iter().flat_map(|command| command.description().request);
    expected.extend(requests.flat_map(|field| field.names()).map(|name| format!("`{name}`")));
    expected.extend(Absent::all().map(|absent| format!("refused: {}", absent.service())));
    expected.extend(reasons().into_iter().map(str::to_owned));
    let document: serde_json::Value = serde_json::from_str(openapi::text()).unwrap();
    let parameters = document["components"]["parameters"].as_object().unwrap();
    expected.extend(parameters.keys().map(|name| format!("parameter: {name}")));
    let clients = fs::read_dir(root().join("tests/clients")).unwrap();
    expected.extend(clients.map(|client| format!("client: {}", client.unwrap().file_name().display())));
    // The length of these tables is not known here, but no number may be missing.
    for kind in ["decision ", "A", "line "] {
        let last = numbers(&rows, kind).pop_last().unwrap_or_default();
        expected.extend((1..=last).map(|number| format!("{kind}{number}")));
    }
    for key in &expected {
        assert!(found.contains(key), "{key} has no row in docs/compatibility.md");
    }
    for row in &rows {
        let excused =
            row.cannot_occur() || ["limit: ", "reply: "].iter().any(|kind| row.key.starts_with(kind));
        assert!(
            excused || expected.contains(&row.key),
            "the row {} corresponds to nothing in the code",
            row.key
        );
        // A code that cannot occur must not be returned by the code.
        for number in row.key.split(", ").filter(|_| row.cannot_occur()) {
            let occurs = Code::ALL.iter().any(|(_, code)| code.number().to_string() == number);
            assert!(!occurs, "{number} is returned by the code");
        }
    }
    for code in Code::ELSEWHERE {
        let number = code.number().to_string();
        let mut excused = rows.iter().filter(|row| row.cannot_occur()).flat_map(|row| row.key.split(", "));
        assert!(excused.any(|key| key == number), "no row says why {number} cannot occur");
    }
    let replies = Command::ALL.iter().flat_map(|command| command.description().reply);
    let mut of_commands: BTreeSet<&str> = replies.flat_map(|field| field.names()).collect();
    of_commands.extend(["ActionStatus", "ErrorCode", "ErrorInfo", "ErrorDisplay"]);
    let named: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.key.strip_prefix("reply: "))
        .flat_map(|key| key.split(", "))
        .collect();
    assert_eq!(named, of_commands, "the rows about reply fields should match the commands' replies");
}

/// Returns all texts that are published with the program, by name.
fn published() -> Vec<(String, String)> {
    let mut folders: Vec<_> = ["src", "tests/it", "docs"].map(|name| root().join(name)).into();
    let mut files: Vec<_> = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md"]
        .map(|name| root().join(name))
        .into();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let text = |path: &std::path::PathBuf| {
        Some((path.strip_prefix(root()).unwrap().display().to_string(), fs::read_to_string(path).ok()?))
    };
    files.iter().filter_map(text).collect()
}

/// Returns the numbers that follow a word in `text`: `decision 9`, `decisions 6 and 7`.
fn mentioned(text: &str, word: &str) -> BTreeSet<u32> {
    let number = |text: &str| -> Option<u32> {
        text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
    };
    let mut all = BTreeSet::new();
    for rest in text.split(word).skip(1) {
        let rest = rest.trim_start_matches('s').trim_start();
        all.extend(number(rest));
        if let Some(next) = rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(" and ") {
            all.extend(number(next));
        }
    }
    all
}

#[test]
fn every_decision_and_ambiguity_that_is_mentioned_has_a_row() {
    assert_eq!(mentioned("(decisions 6 and 7), decision 31.", "decision"), [6, 7, 31].into());
    let rows = rows();
    let (decisions, ambiguities) = (numbers(&rows, "decision "), numbers(&rows, "A"));
    for (file, text) in published() {
        for (word, known) in [("decision", &decisions), ("ambiguity A", &ambiguities), ("(A", &ambiguities)] {
            for number in mentioned(&text, word) {
                assert!(known.contains(&number), "{file} mentions {word} {number}, which has no row");
            }
        }
    }
}

#[test]
fn every_source_is_explained_and_every_explained_source_is_used() {
    let text = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    let table = text.split("\n## Sources\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let explained: BTreeSet<String> = (table.lines())
        .filter_map(|line| Some(line.strip_prefix("- **")?.split_once("**")?.0.to_owned()))
        .collect();
    let decisions: BTreeSet<String> = rows().into_iter().map(|row| row.key).collect();
    let mut used = BTreeSet::new();
    for row in rows().into_iter().filter(|row| !row.cannot_occur()) {
        let needs_one = !row.key.starts_with('`') || !row.key.contains("::");
        assert!(!needs_one || !row.sources.is_empty(), "{} should name its source", row.key);
        for source in row.sources {
            let decided = source.starts_with("decision ") && decisions.contains(&source);
            assert!(
                decided || explained.contains(&source),
                "{}: the source {source} should be explained",
                row.key
            );
            used.insert(source);
        }
    }
    used.retain(|source| !decisions.contains(source));
    assert_eq!(used, explained);
}

#[test]
fn every_command_that_is_refused_by_name_is_in_the_row_of_its_service_and_no_other() {
    for Row { key, statement, .. } in rows() {
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

/// Returns the messages that the page about operations lists, with their levels. Every message of a row has all levels
/// of the row.
fn listed_lines() -> BTreeSet<(String, String)> {
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let section = page.split("\n## Lines of the log\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut listed = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let messages = cells[0].trim_start_matches("| `").trim_end_matches('`').split("`, `");
        for (message, level) in messages.flat_map(|one| cells[1].split(", ").map(move |level| (one, level))) {
            assert!(listed.insert((message.to_owned(), level.to_owned())), "{message} is listed twice");
        }
    }
    listed
}

#[test]
fn every_line_of_the_log_is_in_the_page_about_operations() {
    let declared = log_lines::ALL.iter().map(|(level, text)| {
        let level = level.as_str().to_lowercase().replace("warn", "warning");
        ((*text).to_owned(), level)
    });
    let (declared, listed) = (declared.collect::<BTreeSet<_>>(), listed_lines());
    let only_in =
        |one: &BTreeSet<_>, other| one.difference(other).cloned().collect::<Vec<(String, String)>>();
    let (unlisted, undeclared) = (only_in(&declared, &listed), only_in(&listed, &declared));
    assert!(unlisted.is_empty(), "docs/operations.md, Lines of the log, has no row for {unlisted:#?}");
    assert!(
        undeclared.is_empty(),
        "docs/operations.md lists what src/log_lines.rs does not: {undeclared:#?}"
    );
}
