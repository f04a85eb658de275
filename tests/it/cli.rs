//! Tests the command line.

use std::{fs, net::TcpListener, process::Command};

use crate::{
    bodies::{account_check, account_import, get_contact_group},
    harness::{ADMIN, APP, KEY, SAMPLE_KEY, Server, confold, said},
    refusals::packed,
    tools::{Tool, is_missing},
    wait::Finish,
};

#[test]
fn the_printed_curl_line_works() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let server = Server::dev(&[]);
    let line = server.greeting.lines().find(|line| line.trim_start().starts_with("curl")).unwrap();
    let output = Command::new("sh").args(["-c", &format!("{line} -s")]).finish();
    let reply = String::from_utf8(output.stdout).unwrap();
    assert!(reply.contains(r#""To_Account":"teacher4","StandardMark":"111001""#), "{reply}");
    assert!(server.greeting.contains("app 1400000000, administrator administrator"));
    assert!(server.greeting.contains("app 88888888, administrator admin"));
}

#[test]
fn a_temporary_store_is_removed_and_a_directory_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("kept");
    let server = Server::on(&kept);
    server.client().does(&account_import("someone"));
    server.terminate();
    assert!(server.ended_well());
    let server = Server::on(&kept);
    let body = r#"{"From_Account":"someone","StartIndex":0}"#;
    assert_eq!(server.client().call("recentcontact/get_contact_group", body).code(), 0);

    let temporary = directory.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let entries = || fs::read_dir(&temporary).unwrap().count();
    let server = Server::dev_with(&[], &temporary);
    assert_eq!(entries(), 1);
    server.terminate();
    assert!(server.ended_well());
    assert_eq!(entries(), 0, "the temporary store should be removed");
}

#[test]
fn a_taken_port_names_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = confold(&["dev", "--listen", &taken.local_addr().unwrap().to_string()]).finish();
    assert!(!output.status.success());
    assert!(said(&output).contains("--listen"), "{}", said(&output));
    // Two servers cannot share one port either.
    let server = Server::dev(&[]);
    let output = confold(&["dev", "--listen", &server.address.to_string()]).finish();
    assert!(said(&output).contains("--listen"), "{}", said(&output));
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _server = Server::on(directory.path());
    let output =
        confold(&["dev", "--listen", "127.0.0.1:0", "--data", directory.path().to_str().unwrap()]).finish();
    assert!(!output.status.success());
    assert!(said(&output).contains("is in use by another confold process"), "{}", said(&output));
}

#[test]
fn a_file_that_is_not_a_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    fs::write(
        directory.path().join("confold.db"),
        "this is not a database, only some text of more than a few bytes",
    )
    .unwrap();
    let output = confold(&["dev", "--listen", "127.0.0.1:0", "--data", data]).finish();
    assert!(!output.status.success());
    assert!(said(&output).contains("confold.db"), "{}", said(&output));
}

#[test]
fn a_seed_is_loaded_once_and_its_faults_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let seed = directory.path().join("seed.ndjson");
    let data = directory.path().join("data");
    fs::write(
        &seed,
        concat!(
            r#"{"Kind":"account","SdkAppId":88888888,"UserID":"ann","Nick":"Ann"}"#, "\n\n",
            r#"{"Kind":"chat_group","SdkAppId":88888888,"GroupId":"team","Type":"Work","Name":"Team"}"#, "\n",
            r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"ann","LastGroupId":9,"GroupItem":[{"GroupName":"late","GroupId":7},{"GroupName":"early","GroupId":2}],"ContactItem":[{"Type":2,"ToGroupId":"team","ContactGroupId":[7,2],"Timestamp":1700000009},{"Type":1,"To_Account":"bob","CustomMark":"x","StandardMark":"10","Timestamp":1700000001}]}"#,
        ),
    )
    .unwrap();
    let start = || Server::dev(&["--seed", seed.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let expected = concat!(
        r#"{"ContactItem":[{"Type":1,"To_Account":"bob","StandardMark":"10","CustomMark":"x","Timestamp":1700000001},"#,
        r#"{"Type":2,"ToGroupId":"team","StandardMark":"","ContactGroupId":[2,7],"Timestamp":1700000009}],"#,
        r#""GroupItem":[{"GroupName":"early","GroupId":2},{"GroupName":"late","GroupId":7}],"#,
        r#""CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#,
    );
    let get = r#"{"From_Account":"ann","StartIndex":0}"#;
    {
        let server = start();
        assert_eq!(server.client().call("recentcontact/get_contact_group", get).body, expected);
        let created = server.client().ok(
            "recentcontact/create_contact_group",
            r#"{"From_Account":"ann","GroupContactItem":[{"GroupName":"new","ContactItem":[{"Type":1,"To_Account":"ann"}]}]}"#,
        );
        assert_eq!(
            created["GroupResultItem"][0]["GroupItem"]["GroupId"], 10,
            "ids should continue after the last one given"
        );
    }
    let server = start();
    let reply = server.client().ok("recentcontact/get_contact_group", get);
    assert_eq!(reply["GroupItem"].as_array().unwrap().len(), 3, "the seed should not replace existing data");

    for (line, reason) in [
        ("{", "seed.ndjson:1: the line is not a JSON object"),
        (r#"{"Kind":"account","UserID":"a"}"#, "SdkAppId is missing"),
        (
            r#"{"Kind":"acount","SdkAppId":1}"#,
            "Kind must be account, chat_group, organizer or sessions, found the string \"acount\"",
        ),
        (r#"{"Kind":"account","SdkAppId":1,"UserID":"a b"}"#, "UserID is refused"),
        (
            r#"{"Kind":"organizer","SdkAppId":1,"From_Account":"a","ContactItem":[{"Type":1,"To_Account":"b","ContactGroupId":[1],"Timestamp":5}]}"#,
            "the record about the user \"b\" is in group 1, which does not exist",
        ),
        (
            r#"{"Kind":"organizer","SdkAppId":1,"From_Account":"a","ContactItem":[{"Type":1,"To_Account":"b","StandardMark":"12","Timestamp":5}]}"#,
            "ContactItem[0].StandardMark is refused",
        ),
        (
            r#"{"Kind":"organizer","SdkAppId":1,"From_Account":"a","ContactItem":[{"Type":1,"To_Account":"b","StandardMark":"1"}]}"#,
            "ContactItem[0].Timestamp is missing",
        ),
    ] {
        fs::write(&seed, line).unwrap();
        let output = confold(&["dev", "--listen", "127.0.0.1:0", "--seed", seed.to_str().unwrap()]).finish();
        assert!(!output.status.success());
        assert!(said(&output).contains(reason), "{line}: {}", said(&output));
    }
}

#[test]
fn a_seed_that_failed_can_be_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let seed = directory.path().join("seed.ndjson");
    let data = directory.path().join("data");
    let account =
        |user: &str| format!("{{\"Kind\":\"account\",\"SdkAppId\":88888888,\"UserID\":\"{user}\"}}\n");
    let arguments = ["--seed", seed.to_str().unwrap(), "--data", data.to_str().unwrap()];
    fs::write(&seed, account("ann") + &account("b b")).unwrap();
    let output = confold(&[&["dev", "--listen", "127.0.0.1:0"], &arguments[..]].concat()).finish();
    assert!(said(&output).contains("seed.ndjson:2: UserID is refused"), "{}", said(&output));
    fs::write(&seed, account("ann") + &account("bob")).unwrap();
    let server = Server::dev(&arguments);
    let checked = server.client().does(&account_check("bob"));
    assert_eq!(checked["ResultItem"][0]["AccountStatus"], "Imported");
}

#[test]
fn an_organizer_that_occurs_twice_is_replaced_on_disk_too() {
    let directory = tempfile::tempdir().unwrap();
    let seed = directory.path().join("seed.ndjson");
    let data = directory.path().join("data");
    let organizer = |letter: char, custom: &str| {
        let records: Vec<String> = (0..60)
            .map(|count| {
                format!(
                    r#"{{"Type":1,"To_Account":"{letter}{count}","CustomMark":"{custom}","Timestamp":5}}"#
                )
            })
            .collect();
        format!(
            "{{\"Kind\":\"organizer\",\"SdkAppId\":88888888,\"From_Account\":\"ann\",\"ContactItem\":[{}]}}\n",
            records.join(",")
        )
    };
    // Between the two are more lines than are in progress at once.
    let other =
        |count: usize| format!("{{\"Kind\":\"account\",\"SdkAppId\":88888888,\"UserID\":\"o{count}\"}}\n");
    let others = (0..700).fold(String::new(), |lines, count| lines + &other(count));
    fs::write(&seed, organizer('p', "OLD") + &others + &organizer('q', "NEW")).unwrap();
    for _ in 0..2 {
        let server = Server::dev(&["--seed", seed.to_str().unwrap(), "--data", data.to_str().unwrap()]);
        let reply = server.client().does(&get_contact_group("ann"));
        let items = reply["ContactItem"].as_array().unwrap();
        assert_eq!(items.len(), 60);
        assert!(items.iter().all(|item| item["CustomMark"] == "NEW"), "{reply}");
        server.terminate();
        assert!(server.ended_well());
    }
}

#[test]
fn lines_about_chat_groups_do_not_revive_records_of_destroyed_groups() {
    let directory = tempfile::tempdir().unwrap();
    let seed = directory.path().join("seed.ndjson");
    let group = r#"{"Kind":"chat_group","SdkAppId":88888888,"GroupId":"g""#;
    let organizer = r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"ann","ContactItem":[{"Type":2,"ToGroupId":"g","StandardMark":"1","Timestamp":5}]}"#;
    let records = |lines: String| {
        fs::write(&seed, lines).unwrap();
        let server = Server::dev(&["--seed", seed.to_str().unwrap()]);
        let reply = server.client().does(&get_contact_group("ann"));
        reply["ContactItem"].as_array().unwrap().len()
    };
    assert_eq!(records(format!("{group},\"Incarnation\":3}}\n{organizer}\n")), 1);
    assert_eq!(records(format!("{group}}}\n{organizer}\n{group},\"Destroyed\":true}}\n")), 0);
    assert_eq!(records(format!("{group}}}\n{organizer}\n{group},\"Destroyed\":true}}\n{group}}}\n")), 0);
    assert_eq!(
        records(format!("{group},\"Incarnation\":3}}\n{organizer}\n{group}}}\n")),
        1,
        "the incarnation should never decrease"
    );
    fs::write(&seed, format!("{group},\"Destroyed\":true}}\n{organizer}\n")).unwrap();
    let output = confold(&["dev", "--listen", "127.0.0.1:0", "--seed", seed.to_str().unwrap()]).finish();
    assert!(
        said(&output).contains("seed.ndjson:2: the chat group \"g\" of a record was disbanded"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_seed_has_the_limits_of_an_app() {
    let directory = tempfile::tempdir().unwrap();
    let seed = directory.path().join("seed.ndjson");
    let refused = |fields: String| {
        fs::write(
            &seed,
            format!("{{\"Kind\":\"organizer\",\"SdkAppId\":1,\"From_Account\":\"a\",{fields}}}"),
        )
        .unwrap();
        said(&confold(&["dev", "--listen", "127.0.0.1:0", "--seed", seed.to_str().unwrap()]).finish())
    };
    let groups: Vec<String> =
        (1..=21).map(|id| format!(r#"{{"GroupName":"g{id}","GroupId":{id}}}"#)).collect();
    let said = refused(format!("\"GroupItem\":[{}]", groups.join(",")));
    assert!(said.contains("an owner may have at most 20 conversation groups, found 21"), "{said}");
    let marks: Vec<String> = (0..1_001)
        .map(|count| format!(r#"{{"Type":1,"To_Account":"p{count}","CustomMark":"x","Timestamp":1}}"#))
        .collect();
    let said = refused(format!("\"ContactItem\":[{}]", marks.join(",")));
    assert!(said.contains("an owner may have at most 1000 marked conversations, found 1001"), "{said}");
}

#[test]
fn a_key_given_for_a_built_in_app_replaces_the_published_one() {
    let server = Server::dev(&["--app", "1400000000:mine:boss"]);
    assert_eq!(server.greeting.matches("app 1400000000, administrator boss").count(), 1);
    assert!(!server.greeting.contains("app 1400000000, administrator administrator"));
    let target = format!(
        "/v4/recentcontact/get_contact_group?{}",
        crate::harness::query(1_400_000_000, "boss", "mine")
    );
    let answer = server.client().post(&target, r#"{"From_Account":"user0","StartIndex":0}"#).unwrap();
    assert_eq!(answer.code(), 0);
}

/// A signature of the published app that was valid for a minute of 2017.
const EXPIRED: &str = "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZBZlAqUMYOJlGTmgviGpmgqizPTQTaU6ee7uFYlBkZVRhU6BuelOIV6R1QWGQQE57hWmkTlZOUFunqFVniaVQWX2yrVAgDOTDWq";

#[test]
fn usersigs_are_made_and_explained() {
    let app = format!("{APP}:{KEY}:{ADMIN}");
    let made = confold(&["usersig", "--app", &app, "--expire", "1000"]).finish();
    let signature = String::from_utf8(made.stdout).unwrap();
    let signature = signature.trim();
    let verify = |arguments: &[&str]| {
        let output = confold(&[&["verify-usersig"], arguments].concat()).finish();
        (output.status.success(), said(&output))
    };
    let expired_for = format!("1400000000:{SAMPLE_KEY}:administrator");
    let old =
        packed(&serde_json::json!({"TLS.identifier": ADMIN, "TLS.sdk_appid": "7", "TLS.expire_after": "9"}));
    let (good, words) = verify(&["--app", &app, signature]);
    assert!(good && words.contains("is valid for admin of app 88888888"), "{words}");
    for (arguments, reason) in [
        (vec!["--app", &app, "--identifier", "other", signature], "made for the identifier \"admin\""),
        (
            vec!["--app", "88888888:another", "--identifier", "admin", signature],
            "not made with this app's key",
        ),
        (vec![signature, "--identifier", "admin"], "made for app 88888888"),
        (vec!["--app", &app, &signature[..100]], "not a complete zlib stream"),
        (vec!["--app", &app, "+++"], "not base64"),
        (
            vec!["--app", &expired_for, EXPIRED],
            "it was valid until 2017-07-14T02:41:00Z, and the time now is 20",
        ),
        (vec!["--app", &app, &old], "it is a version 1 signature, made with a private key"),
    ] {
        let (good, words) = verify(&arguments);
        assert!(!good && words.contains(reason), "{words}");
        assert!(!words.contains(KEY), "a key should never be printed");
    }
}

#[test]
fn a_malformed_app_is_refused() {
    for (app, reason) in [
        ("x:key", "the app must be a number"),
        ("7", "the key is missing"),
        ("7:", "the key is empty"),
        ("7:key:", "the administrator is empty"),
        ("seven:s3cret-key", "found \"seven\""),
        ("7:s3cret-key:", "the administrator is empty"),
        ("s3cret-key-of-the-app:7", "found a string of 21 bytes"),
    ] {
        for task in ["dev", "usersig"] {
            let output = confold(&[task, "--app", app]).finish();
            if task == "usersig" && reason == "the key is missing" {
                continue;
            }
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
            assert!(said(&output).contains(reason), "{app}: {}", said(&output));
            assert!(!said(&output).contains("s3cret"), "a key should never be printed: {}", said(&output));
        }
    }
}

#[test]
fn the_manual_page_and_completions_name_every_task_and_flag() {
    if is_missing(&[Tool::Bash]) {
        return;
    }
    let page = confold(&["man"]).finish();
    assert!(page.status.success());
    let page = said(&page);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&confold(&["completions", shell]).finish());
        for word in ["check-config", "tls-listen", "dry-run", "key-file"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    for task in [
        "dev",
        "serve",
        "check-config",
        "export",
        "import",
        "pull",
        "call",
        "history",
        "undo",
        "healthcheck",
        "usersig",
        "verify-usersig",
        "completions",
        "man",
    ] {
        let heading = format!(".SH CONFOLD {}\n", task.to_uppercase());
        assert!(page.contains(&heading), "{heading}");
        let help = said(&confold(&[task, "--help"]).finish());
        assert!(
            help.contains("\nExample") && help.contains(&format!("    confold {task}")),
            "{task}: {help}"
        );
    }
    // The sections that every manual page must have, and their contents.
    let section =
        |name: &str| page.split(&format!(".SH \"{name}\"\n")).nth(1).unwrap().split("\n.SH ").next().unwrap();
    for status in ["0", "1", "2", "3", "4", "129", "130", "143"] {
        assert!(section("EXIT STATUS").contains(&format!(".TP\n\\fB{status}\\fR\n")), "{status}");
    }
    for variable in ["CONFOLD_KEY", "CONFOLD_STORE_DIRECTORY", "NO_COLOR", "TERM", "LC_ALL, LC_CTYPE, LANG"] {
        assert!(section("ENVIRONMENT").contains(&format!("\\fB{variable}\\fR\n")), "{variable}");
    }
    assert!(section("FILES").contains("confold.db") && page.contains(".SH EXAMPLES\n"));
    // The shell accepts the completions, and man accepts the manual page.
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("confold.bash");
    std::fs::write(&script, said(&confold(&["completions", "bash"]).finish())).unwrap();
    let completed = std::process::Command::new("bash")
        .arg("-c")
        .arg(format!(
            "source {}; COMP_WORDS=(confold che); COMP_CWORD=1; _confold confold che confold; echo ${{COMPREPLY[@]}}",
            script.display()
        ))
        .finish();
    assert_eq!(said(&completed).trim(), "check-config");
}
