//! Tests the introductory pages for new users. Every command on them is run, and every answer shown must be the real
//! one.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::{LONG, Tool, is_missing, root};
use crate::{
    harness::{SAMPLE_KEY, Server, query},
    wait::Finish,
};

const APP: u32 = 1_400_000_000;
const ADMIN: &str = "administrator";

/// A fenced block of a page: its language and its lines.
struct Block {
    language: String,
    text: String,
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(language) if !is_inside => {
                blocks.push(Block { language: language.to_owned(), text: String::new() });
                is_inside = true;
            }
            Some(_) => is_inside = false,
            None if is_inside => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_inside, "a block is not closed");
    blocks
}

/// Returns the file name for a block, which its first line contains as a comment.
fn file_name(block: &Block) -> Option<&str> {
    let word = block.text.lines().next()?.trim_start_matches("<?php").split_whitespace().nth(1)?;
    word.contains('.').then_some(word)
}

/// Returns a command that writes only to `folder`.
fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("TMPDIR", folder).env("HOME", folder).stdin(Stdio::null());
    command
}

fn succeed(output: &Output) -> String {
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    said.into_owned()
}

/// Returns text in comparable form: times, and the ids of events and requests, differ between runs, and long replies are
/// shown on several lines.
fn comparable(block: &Block, text: &str) -> Vec<String> {
    if block.language != "json" {
        return text.lines().map(without_ids).collect();
    }
    let values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let mut values: Vec<_> = values.map(|value| value.unwrap()).collect();
    values.iter_mut().for_each(forget_differences);
    // Compare text instead of values, because the order of the fields matters.
    values.iter().map(ToString::to_string).collect()
}

/// Replaces the times and ids of events in a line of text or of server-sent events.
fn without_ids(line: &str) -> String {
    if let Some(data) = line.strip_prefix("data: ") {
        let mut value = serde_json::from_str(data).unwrap();
        forget_differences(&mut value);
        return format!("data: {value}");
    }
    if line.starts_with("id: ") {
        return "id: ".to_owned();
    }
    let is_time = |word: &str| word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
    let is_id =
        |word: &str| word.len() > 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    // The width of a column depends on what is in it.
    let words = line.split_whitespace().map(|word| match word {
        time if is_time(time) => "TIME",
        id if is_id(id) => "EVENT",
        other => other,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn forget_differences(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(values) => values.iter_mut().for_each(forget_differences),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "Timestamp" | "Time" => *value = 0.into(),
                    "Id" | "EventId" | "RequestId" | "Cursor" => *value = "".into(),
                    _ => forget_differences(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_command_of_the_tour_does_what_it_says() {
    if !is_missing(&[Tool::Bash, Tool::Curl, Tool::Python]) {
        does_what_it_says("docs/tour.md", 15);
    }
}

#[test]
fn every_command_of_the_page_about_extensions_does_what_it_says() {
    if !is_missing(&[Tool::Bash, Tool::Curl]) {
        does_what_it_says("docs/extensions.md", 10);
    }
}

#[test]
fn every_command_of_the_page_about_the_feed_does_what_it_says() {
    if !is_missing(&[Tool::Bash, Tool::Curl]) {
        does_what_it_says("docs/feed.md", 3);
    }
}

/// Runs the shell commands of a page from top to bottom, and compares what they print with the block that follows, for at
/// least so many of them.
fn does_what_it_says(name: &str, answers: usize) {
    let blocks = blocks(&page(name));
    let folder = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_confold")).parent().unwrap().display();
    let mut script = format!("set -eu\nPATH={binary}:$PATH\ntrap 'kill $SERVER 2> /dev/null || true' EXIT\n");
    for (at, block) in blocks.iter().enumerate() {
        match block.language.as_str() {
            "sh" => script.push_str(&[block.text.as_str(), &format!("echo '@@{at}'\n")].concat()),
            "json" | "text" | "toml" => {}
            other => panic!("no rule for a block of {other}"),
        }
    }
    let said = succeed(&command("bash", folder.path()).args(["-c", &script]).finish());
    let mut rest = said.as_str();
    let mut compared = 0;
    for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
        let (printed, after) = rest.split_once(&format!("@@{at}\n")).unwrap();
        rest = after;
        if let Some(shown) = blocks.get(at + 1).filter(|next| ["json", "text"].contains(&&*next.language)) {
            assert_eq!(comparable(shown, printed), comparable(shown, &shown.text), "after {}", block.text);
            compared += 1;
        }
    }
    assert!(compared >= answers, "only {compared} answers were compared");
}

/// Checks that the example program in `language` in docs/signing.md creates a signature that the server accepts.
fn signs(tool: Tool, language: &str, command_line: &[&str]) {
    if is_missing(&[tool]) {
        return;
    }
    let (blocks, folder) = (blocks(&page("docs/signing.md")), tempfile::tempdir().unwrap());
    let block = blocks
        .iter()
        .find(|block| block.language == language)
        .expect("the page should have a program in this language");
    let file = file_name(block).unwrap();
    fs::write(folder.path().join(file), &block.text).unwrap();
    let mut made = command(command_line[0], folder.path());
    let usersig =
        succeed(&made.args(&command_line[1..]).arg(file).env("KEY", SAMPLE_KEY).finish_within(LONG));
    let target = format!(
        "/v4/recentcontact/get_contact_group?sdkappid={APP}&identifier={ADMIN}&usersig={}&random=1&contenttype=json",
        usersig.trim()
    );
    let server = Server::dev(&[]);
    let answer = server.client().post(&target, r#"{"From_Account":"user0","StartIndex":0}"#).unwrap();
    assert_eq!(answer.code(), 0, "{language}: {answer:?}");
}

#[test]
fn the_python_program_of_the_signing_page_is_admitted() {
    signs(Tool::Python, "python", &["python3"]);
}

#[test]
fn the_javascript_program_of_the_signing_page_is_admitted() {
    signs(Tool::Node, "js", &["node"]);
}

#[test]
fn the_php_program_of_the_signing_page_is_admitted() {
    signs(Tool::Php, "php", &["php"]);
}

#[test]
fn the_java_program_of_the_signing_page_is_admitted() {
    signs(Tool::Java, "java", &["java"]);
}

#[test]
fn the_go_program_of_the_signing_page_is_admitted() {
    signs(Tool::Go, "go", &["go", "run"]);
}

#[test]
fn the_first_write_of_the_readme_gets_the_reply_shown() {
    if is_missing(&[Tool::Bash, Tool::Curl]) {
        return;
    }
    let blocks = blocks(&page("README.md"));
    let at = blocks.iter().position(|block| block.text.contains("/create_contact_group?$QUERY")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shown = &blocks[at + 1];
    // Run the call with `confold call` and with curl.
    for block in [&blocks[at - 1], &blocks[at]] {
        let server = Server::dev(&[]);
        let script = (block.text)
            .replace("127.0.0.1:8080", &server.address.to_string())
            .replace("target/release/confold call", &format!("$CONFOLD call --url http://{}", server.address))
            .replace("sdkappid=…&contenttype=json", &query(APP, ADMIN, SAMPLE_KEY));
        assert_ne!(script, block.text);
        let mut bash = command("bash", folder.path());
        bash.args(["-c", &script]).env("CONFOLD", env!("CARGO_BIN_EXE_confold"));
        let output = bash.finish();
        assert_eq!(comparable(shown, &succeed(&output)), comparable(shown, &shown.text), "{script}");
    }
}
