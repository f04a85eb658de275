//! Tests the example receivers of webhooks, and the worked example of docs/webhooks.md.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{Tool, is_missing, root};
use crate::{
    bodies::{mark_contact, user},
    harness::{Server, at_server, eventually, keyed, said, succeeds},
    wait::{self, Finish, Lines},
    webhooks::{PREVIOUS, SECRET, change, receiver::Receiver},
};

/// A running example, killed when it is dropped.
struct Example {
    child: Child,
    lines: Lines,
    url: String,
}

impl Example {
    fn start(command: &mut Command, secrets: &str) -> Example {
        let mut child = command.env("WEBHOOK_SECRET", secrets).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        let first = lines.until("the receiver listens", |text| text.contains("listening on http")).unwrap();
        let url = first.trim().rsplit(' ').next().unwrap().to_owned();
        Example { child, lines, url }
    }

    #[track_caller]
    fn prints(&self, line: &str) {
        let printed = self.lines.until("the receiver prints a line", |text| text.ends_with('\n')).unwrap();
        assert_eq!(printed.trim(), line);
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // A program that was started by `go run` is a child of its own.
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        for child in fs::read_to_string(children).unwrap_or_default().split_whitespace() {
            let id = child.parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        wait::end(&mut self.child);
    }
}

/// Starts `dev` with a webhook at this address that signs with this secret.
fn dev(url: &str, folder: &Path, secret: &str) -> Server {
    let file = folder.join("secret");
    fs::write(&file, secret).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    Server::dev(&["--directory", "open", "--webhook", url, "--webhook-secret-file", file])
}

fn takes_signed_messages_only(command: impl Fn() -> Command) {
    let folder = tempfile::tempdir().unwrap();
    // The receiver knows two secrets, as during a rotation.
    let example = Example::start(&mut command(), &format!("{PREVIOUS} {SECRET}"));
    let server = dev(&example.url, folder.path(), SECRET);
    let mut client = server.client();
    client.does(&change("ann", "a"));
    example.prints("changed ann 1");
    client.does(&change("ann", "ü"));
    example.prints("changed ann 2");
    client.does(&crate::bodies::create_group("g"));
    client.does(&crate::bodies::destroy_group("g"));
    example.prints("chat_group_disbanded g");
    let mut test = keyed(&["webhooks", "test", "dev"]);
    assert!(succeeds(test.args(at_server(&server))).starts_with("delivered in "));
    example.prints("Confold.Test");
    // A forged message is refused.
    let stranger = dev(&example.url, folder.path(), "whsec_c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXI=");
    stranger.client().does(&change("bob", "b"));
    example.prints("refused: the signature is wrong");
    let target = example.url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let old = crate::harness::Client::connect(target.parse().unwrap())
        .raw(b"POST / HTTP/1.1\r\nHost: x\r\nwebhook-id: a\r\nwebhook-timestamp: 1614265330\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(old.map_or(401, |answer| answer.status), 401);
    example.prints("refused: no id, or a timestamp that is not from the last minutes");
}

fn example(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg("0").current_dir(root().join("examples/webhooks"));
    command
}

#[test]
fn the_receiver_in_python_takes_signed_messages_only() {
    if !is_missing(&[Tool::Python]) {
        takes_signed_messages_only(|| example("python3", &["-B", "receiver.py"]));
    }
}

#[test]
fn the_receiver_in_javascript_takes_signed_messages_only() {
    if !is_missing(&[Tool::Node]) {
        takes_signed_messages_only(|| example("node", &["receiver.mjs"]));
    }
}

#[test]
fn the_receiver_in_go_takes_signed_messages_only() {
    if !is_missing(&[Tool::Go]) {
        takes_signed_messages_only(|| example("go", &["run", "receiver.go"]));
    }
}

/// Returns the blocks of docs/webhooks.md in this language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/webhooks.md")).unwrap();
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Returns a shell that runs a block with these addresses in place of those of the page.
fn shell(block: &str, folder: &Path, server: &str) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_confold")).parent().unwrap();
    let mut command = Command::new("sh");
    let block = block.replace("http://127.0.0.1:8080", server);
    command.args(["-c", &format!("PATH=\"{}:$PATH\"\n{block}", built.display())]);
    command.current_dir(folder).env_remove("CONFOLD_KEY").stdin(Stdio::null());
    command
}

#[test]
fn the_worked_example_of_the_page_works() {
    if is_missing(&[Tool::Openssl, Tool::Python]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (commands, texts) = (blocks("sh"), blocks("text"));
    let [make, receive, serve, call, list, test] = &commands[..] else { panic!("{commands:?}") };
    let [printed, listed, tested] = &texts[..] else { panic!("{texts:?}") };
    assert!(shell(make, folder.path(), "").finish().status.success());
    let secret = fs::read_to_string(folder.path().join("secret")).unwrap();
    assert_eq!(receive.trim(), "WEBHOOK_SECRET=$(cat secret) python3 examples/webhooks/receiver.py 9000");
    let receiver = Example::start(&mut example("python3", &["-B", "receiver.py"]), secret.trim());
    let options = "--webhook http://127.0.0.1:9000/ --webhook-secret-file secret";
    assert_eq!(serve.trim(), format!("confold dev {options}"));
    let file = folder.path().join("secret");
    let server = Server::dev(&["--webhook", &receiver.url, "--webhook-secret-file", file.to_str().unwrap()]);
    let url = format!("http://{}", server.address);
    let call = call.replace("confold call", &format!("confold call --url {url}"));
    let output = shell(&call, folder.path(), &url).finish();
    assert!(output.status.success(), "{}", said(&output));
    receiver.prints(printed.trim());
    let receiver_of_page =
        |text: &str| text.replace(receiver.url.trim_end_matches('/'), "http://127.0.0.1:9000");
    eventually("the list is as on the page", || {
        receiver_of_page(&succeeds(&mut shell(list, folder.path(), &url))) == *listed
    });
    let shown = succeeds(&mut shell(test, folder.path(), &url));
    let digits = |text: &str| text.replace(|digit: char| digit.is_ascii_digit(), "");
    assert_eq!(digits(&shown), digits(tested));
}

/// Replaces the values that differ each time.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "Id" | "RequestId" => *value = "…".into(),
                    "EventTime" | "Time" | "Timestamp" => *value = 0.into(),
                    _ => without_times(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

#[test]
fn the_message_on_the_page_is_the_one_that_is_sent() {
    let receiver = Receiver::start();
    let server = Server::dev(&["--webhook", &receiver.url()]);
    let client = server.client();
    let sample = crate::harness::SAMPLE_KEY;
    client
        .signed_for(1_400_000_000, "administrator", sample)
        .does(&mark_contact("user0").set(user("teacher4"), [7]));
    let mut got = receiver.wait_for(1)[0].json();
    let mut shown: Value = serde_json::from_str(&blocks("json")[0]).unwrap();
    without_times(&mut got);
    without_times(&mut shown);
    assert_eq!(got, shown);
}
