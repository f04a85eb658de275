//! Runs the programs of docs/callbacks.md that send a copy of a webhook, each called once with a query and a body.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{LONG, Tool, is_missing, root};
use crate::{
    callbacks::SECRET,
    harness::{APP, said},
    serving::serving,
    wait::Finish,
    webhooks::receiver::Receiver,
};

const QUERY: &str = "SdkAppid=88888888&CallbackCommand=C2C.CallbackAfterSendMsg&contenttype=json&x=%20y";
const BODY: &str = r#"{"CallbackCommand": "C2C.CallbackAfterSendMsg", "From_Account":"ann","Text":"ünd"}"#;

/// Returns the program of the page in this language.
fn program(language: &str) -> String {
    let page = fs::read_to_string(root().join("docs/callbacks.md")).unwrap();
    let fence = format!("```{language}\n");
    page.split(&fence).nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// Writes a source file, in which `PROGRAM` stands for the program of the page, runs it, and checks what arrives.
#[track_caller]
fn sends_a_copy(language: &str, file: &str, source: &str, run: impl FnOnce(&Path) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(file);
    fs::write(&file, source.replace("PROGRAM", &program(language))).unwrap();
    fs::write(folder.path().join("body"), BODY).unwrap();
    // The copy goes to confold, which sends it on to a receiver that shows it.
    let receiver = Receiver::start();
    let app = format!("[app.callback]\nsecret = {SECRET:?}\nforward = \"{}\"", receiver.url());
    let (_site, server, _client) = serving("", &app);
    let mut command = run(&file);
    command.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
        .env("CONFOLD_CALLBACK", format!("http://{}/callback/{APP}/{SECRET}", server.address))
        .env("QUERY", QUERY);
    for variable in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(variable);
    }
    let mut child = command.spawn().unwrap();
    // Programs that send the copy in the background stay until their input ends.
    let input = child.stdin.take();
    let got = &receiver.wait_for(1)[0];
    drop(input);
    let output = child.finish_within(LONG);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!((got.target.as_str(), got.body.as_str()), (format!("/hook?{QUERY}").as_str(), BODY));
    assert_eq!(got.header("content-type"), "application/json");
}

#[test]
fn the_copy_in_python_has_the_same_query_and_body() {
    if !is_missing(&[Tool::Python]) {
        let source = "PROGRAM\nforward_copy(os.environ['QUERY'], open('body', 'rb').read())\n";
        sends_a_copy("python", "copy.py", source, |file| {
            let mut command = Command::new("python3");
            command.arg("-B").arg(file);
            command
        });
    }
}

#[test]
fn the_copy_in_javascript_has_the_same_query_and_body() {
    if !is_missing(&[Tool::Node]) {
        let source =
            "import fs from 'node:fs';\nPROGRAM\nforwardCopy(process.env.QUERY, fs.readFileSync('body'));\n";
        sends_a_copy("js", "copy.mjs", source, |file| {
            let mut command = Command::new("node");
            command.arg(file);
            command
        });
    }
}

#[test]
fn the_copy_in_go_has_the_same_query_and_body() {
    if !is_missing(&[Tool::Go]) {
        let source = "package main\n\nimport (\n\"bytes\"\n\"log\"\n\"net/http\"\n\"os\"\n\"time\"\n)\n\nPROGRAM\n\
            func main() {\nbody, _ := os.ReadFile(\"body\")\nforwardCopy(os.Getenv(\"QUERY\"), body)\n\
            os.Stdin.Read(make([]byte, 1))\n}\n";
        sends_a_copy("go", "copy.go", source, |file| {
            let mut command = Command::new("go");
            command.arg("run").arg(file);
            command
        });
    }
}

#[test]
fn the_copy_in_java_has_the_same_query_and_body() {
    if !is_missing(&[Tool::Java]) {
        let source = "import java.net.URI;\nimport java.net.http.*;\nimport java.nio.file.*;\nimport java.time.Duration;\n\npublic class Copy {\nPROGRAM\n\
            public static void main(String[] arguments) throws Exception {\n\
            forwardCopy(System.getenv(\"QUERY\"), Files.readAllBytes(Path.of(\"body\")));\n\
            System.in.read();\n}\n}\n";
        sends_a_copy("java", "Copy.java", source, |file| {
            let mut command = Command::new("java");
            command.arg(file);
            command
        });
    }
}

#[test]
fn the_copy_in_php_has_the_same_query_and_body() {
    if !is_missing(&[Tool::Php]) {
        let source = "<?php\nPROGRAM\nforward_copy(getenv('QUERY'), file_get_contents('body'));\n";
        sends_a_copy("php", "copy.php", source, |file| {
            let mut command = Command::new("php");
            command.arg(file);
            command
        });
    }
}
