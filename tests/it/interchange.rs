//! Tests import and export: in a data directory, and through a running server.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{
    bodies::{
        account_delete, chat, create_contact_group, del_contact_group, destroy_group, get_contact_group,
        mark_contact, user,
    },
    harness::{
        ADMIN, APP, KEY, Server, at_server, eventually, exported, fed, import_accounts, in_directory, keyed,
        printed, said,
    },
    serving::serving,
    wait::{Finish, end},
};

const GET: &str = "recentcontact/get_contact_group";

/// Runs a command that has to succeed, and returns its standard output.
fn ok(command: &mut Command) -> String {
    let output = command.finish();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "no progress should be printed outside a terminal"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn import(place: &[String], file: &Path) -> Output {
    keyed(&["import"]).arg(file).args(place).finish()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.ndjson");
    (folder, file)
}

/// Returns lines in the export format for `APP`: chat groups, then organizers with groups, marks and custom marks.
fn lines(owners: usize) -> String {
    let mut text = String::new();
    for group in 0..10 {
        writeln!(text, r#"{{"Kind":"chat_group","SdkAppId":{APP},"GroupId":"g{group}","Type":"Work","MaxMemberCount":2000}}"#).unwrap();
    }
    for owner in 0..owners {
        writeln!(
            text,
            r#"{{"Kind":"organizer","SdkAppId":{APP},"From_Account":"u{owner:05}","Version":4,"LastGroupId":1,"LastTimestamp":1700000009,"GroupItem":[{{"GroupName":"家族","GroupId":1,"Number":1}}],"ContactItem":[{{"Type":1,"To_Account":"peer{owner}","StandardMark":"101","Timestamp":1700000001,"Number":2}},{{"Type":2,"ToGroupId":"g{}","CustomMark":"note {owner}","ContactGroupId":[1],"Timestamp":1700000009,"Number":4}}]}}"#,
            owner % 10
        )
        .unwrap();
    }
    text
}

/// Starts a server with every kind of data.
fn with_everything() -> Server {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off"]);
    let mut client = server.client();
    client.ok(
        "im_open_login_svc/account_import",
        r#"{"UserID":"ann","Nick":"安","FaceUrl":"http://x/\"a\".png"}"#,
    );
    import_accounts(&mut client, &["bob".to_owned(), "carl".to_owned()]);
    for group in ["alive", "gone", "again"] {
        client.ok("group_open_http_svc/create_group", &format!(r#"{{"Type":"Public","Name":"n","GroupId":"{group}","Owner_Account":"bob","MemberList":[{{"Member_Account":"ann","Role":"Admin"}}],"ApplyJoinOption":"FreeAccess"}}"#));
    }
    for call in [
        create_contact_group("ann", "work").with(chat("alive")).with(chat("gone")).with(user("bob")),
        create_contact_group("ann", "later").with(chat("again")),
        create_contact_group("carl", "c").with(user("ann")),
        create_contact_group("nobody", "n").with(user("ann")),
        mark_contact("ann").set(user("dora"), [0, 63]).custom(user("bob"), "\"q\"\n"),
        del_contact_group("ann", &["later"]),
        destroy_group("gone"),
        destroy_group("again"),
    ] {
        client.does(&call);
    }
    client.ok("group_open_http_svc/create_group", r#"{"Type":"Work","Name":"n","GroupId":"again"}"#);
    client.does(&account_delete("carl"));
    server
}

#[test]
fn what_is_exported_is_imported_to_the_same_bytes_and_replies() {
    let (first, second) = (with_everything(), Server::dev(&["--directory", "open"]));
    let (folder, file) = folder();
    let all = exported(&at_server(&first));
    for part in [
        r#"{"Kind":"account","SdkAppId":88888888,"UserID":"ann","Nick":"安","FaceUrl":"http://x/\"a\".png"}"#,
        r#""GroupId":"gone","Incarnation":1,"Destroyed":true"#,
        r#""GroupId":"again","Incarnation":1,"Type":"Work""#,
        r#""From_Account":"carl","Account":false"#,
        r#""From_Account":"nobody","Account":false"#,
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    fs::write(&file, &all).unwrap();
    let directory = in_directory(&folder.path().join("data"));
    assert!(import(&directory, &file).status.success());
    assert_eq!(exported(&directory), all, "an import into a directory should export the same");
    assert!(import(&at_server(&second), &file).status.success());
    assert_eq!(
        exported(&at_server(&second)),
        all,
        "an import into a server with example data should export the same"
    );
    for owner in ["ann", "bob", "carl", "nobody", "user0"] {
        let get = get_contact_group(owner);
        assert_eq!(first.client().make(&get).body, second.client().make(&get).body, "{owner}");
    }
    // The numbers of groups continue after the imported ones.
    for server in [&first, &second] {
        server.client().does(&mark_contact("ann").set(user("eve"), [1]));
        let reply = server.client().does(&create_contact_group("carl", "new").with(user("ann")));
        assert_eq!(
            reply["GroupResultItem"][0]["GroupItem"]["GroupId"]
                .as_u64()
                .or(reply["GroupResultItem"][0]["GroupId"].as_u64()),
            Some(2),
            "{reply}"
        );
    }
}

#[test]
fn an_import_for_the_second_time_changes_nothing() {
    let (folder, file) = folder();
    fs::write(&file, lines(200)).unwrap();
    let directory = in_directory(&folder.path().join("data"));
    let first = import(&directory, &file);
    assert_eq!(printed(&first), "imported 210 lines (210 changed something)\n");
    assert_eq!(printed(&import(&directory, &file)), "imported 210 lines (0 changed something)\n");
    assert_eq!(exported(&directory), lines(200));
}

#[test]
fn a_dry_run_checks_and_changes_nothing() {
    let (folder, file) = folder();
    fs::write(&file, lines(3)).unwrap();
    let directory = in_directory(&folder.path().join("data"));
    let output = keyed(&["import", "--dry-run"]).arg(&file).args(&directory).finish();
    assert_eq!(
        said(&output),
        "13 lines are good; nothing was changed\n\
         chat groups: 10 would be created, 0 replaced, 0 unchanged\n\
         owners: 3 would be created, 0 replaced, 0 unchanged\n\
         groups of owners: 3 would be added, 0 removed, 0 changed\n\
         records of owners: 6 would be added, 0 removed, 0 changed\n"
    );
    assert!(!folder.path().join("data").exists(), "a dry run should not create a store");
    fs::write(&file, "broken").unwrap();
    assert!(!import(&directory, &file).status.success());
    assert!(!folder.path().join("data").exists(), "a refused import should not create a store either");
}

#[test]
fn only_lines_of_the_named_app_are_accepted() {
    let (folder, file) = folder();
    fs::write(&file, lines(1)).unwrap();
    let data = folder.path().join("data");
    let output = keyed(&["import", "--app", "7"]).arg(&file).args(in_directory(&data)).finish();
    assert!(said(&output).contains("only lines about app 7 are accepted"), "{}", said(&output));
    assert!(
        keyed(&["import", "--app", "88888888"])
            .arg(&file)
            .args(in_directory(&data))
            .finish()
            .status
            .success()
    );
    assert_eq!(
        fs::metadata(&data).unwrap().permissions().mode() & 0o777,
        0o700,
        "other users should not be able to read it"
    );
}

#[test]
fn mistakes_in_the_address_of_a_server_are_named() {
    let server = Server::dev(&[]);
    let reach = |url: &str| {
        let output = keyed(&["export", "--app", "1", "--url", url]).finish();
        assert!(!output.status.success());
        said(&output)
    };
    let found = reach(&format!("https://{}", server.address));
    assert!(
        found.contains(
            "the server does not speak TLS on that port; perhaps the address has to begin with http://"
        ),
        "{found}"
    );
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = reach(&format!("http://{port}"));
    assert!(found.contains(&format!("the server at http://{port} cannot be reached")), "{found}");
    assert!(reach("127.0.0.1:8080").contains("--url must be an address such as"));
    let neither = said(&keyed(&["export"]).finish());
    assert!(neither.contains("--data <DIR>|--url <URL>"), "{neither}");
}

#[test]
fn counters_stay_within_what_clients_can_read() {
    let (folder, file) = folder();
    for (field, most) in
        [("Version", "2147483646"), ("LastGroupId", "2147483646"), ("Renumberings", "2147483646")]
    {
        fs::write(
            &file,
            format!(r#"{{"Kind":"organizer","SdkAppId":5,"From_Account":"a","{field}":2147483647}}"#),
        )
        .unwrap();
        let found = said(&import(&in_directory(&folder.path().join("data")), &file));
        assert!(found.contains(&format!("{field} must be a number from 0 to {most},")), "{found}");
    }
    for field in ["LastTimestamp", "LastRenumbering"] {
        fs::write(
            &file,
            format!(r#"{{"Kind":"organizer","SdkAppId":5,"From_Account":"a","{field}":1700000000000000}}"#),
        )
        .unwrap();
        let found = said(&import(&in_directory(&folder.path().join("data")), &file));
        assert!(found.contains(&format!("{field} must be a time in seconds since 1970")), "{found}");
    }
}

#[test]
fn a_bad_line_in_the_middle_of_an_upload_is_reported_alone() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let target = client.target("x").replace("/v4/x", "/interchange/import");
    let answer = client.post(&target, "broken\n{\"Kind\":\"acc").unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["Faults"].as_array().unwrap().len(), 1, "{}", answer.body);
    assert!(answer.body.contains("\"Line\":1"), "{}", answer.body);
    // Later lines are not imported either, even if they have already arrived.
    let answer = client
        .post(&target, "broken\nworse\n{\"Kind\":\"account\",\"SdkAppId\":88888888,\"UserID\":\"late\"}\n")
        .unwrap();
    let reply = answer.json();
    assert_eq!((reply["Faults"].as_array().unwrap().len(), &reply["Changed"]), (1, &0.into()), "{reply}");
    assert!(!exported(&at_server(&server)).contains("late"));
}

/// Twenty lines, each with a different mistake, and the reason that is reported.
const BROKEN: [(&str, &str); 20] = [
    ("{", "the line is not a JSON object"),
    ("[]", "the line must be an object"),
    ("\u{FEFF}{}", "SdkAppId is missing"),
    (r#"{"Kind":"organizer","From_Account":"a"}"#, "SdkAppId is missing"),
    (r#"{"Kind":"organizer","SdkAppId":0,"From_Account":"a"}"#, "SdkAppId must be a number from 1"),
    (
        r#"{"Kind":"organiser","SdkAppId":88888888,"From_Account":"a"}"#,
        "Kind must be account, chat_group, organizer or sessions",
    ),
    (r#"{"Kind":"organizer","SdkAppId":88888888}"#, "From_Account is missing"),
    (r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"with space"}"#, "From_Account is refused"),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","Version":-1}"#,
        "Version must be a number from 0",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","GroupItem":[{"GroupName":"g"}]}"#,
        "GroupItem[0].GroupId is missing",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","GroupItem":[{"GroupName":"123456789012345678901234567890123","GroupId":1}]}"#,
        "GroupItem[0].GroupName is refused",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","GroupItem":[{"GroupName":"g","GroupId":1},{"GroupName":"g","GroupId":2}]}"#,
        "two groups are named \"g\"",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","ContactItem":[{"Type":3,"To_Account":"b","StandardMark":"1","Timestamp":1}]}"#,
        "ContactItem[0].Type must be 1",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","ContactItem":[{"Type":1,"To_Account":"b","StandardMark":"12","Timestamp":1}]}"#,
        "ContactItem[0].StandardMark is refused",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","ContactItem":[{"Type":1,"To_Account":"b","StandardMark":"1"}]}"#,
        "ContactItem[0].Timestamp is missing",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","ContactItem":[{"Type":1,"To_Account":"b","Timestamp":1}]}"#,
        "has neither groups nor marks",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","ContactItem":[{"Type":1,"To_Account":"b","ContactGroupId":[7],"Timestamp":1}]}"#,
        "is in group 7, which does not exist",
    ),
    (
        r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"a","ContactItem":[{"Type":2,"ToGroupId":"destroyed","StandardMark":"1","Timestamp":1}]}"#,
        "the chat group \"destroyed\" of a record was disbanded",
    ),
    (r#"{"Kind":"chat_group","SdkAppId":88888888,"GroupId":"g","Type":"Wrok"}"#, "Type is refused"),
    (r#"{"Kind":"account","SdkAppId":88888888,"UserID":""}"#, "UserID is refused"),
];

#[test]
fn twenty_broken_lines_are_all_named_and_nothing_is_changed() {
    let (folder, file) = folder();
    let mut text = lines(30)
        + "{\"Kind\":\"chat_group\",\"SdkAppId\":88888888,\"GroupId\":\"destroyed\",\"Destroyed\":true}\n\n";
    let first = text.lines().count() + 1;
    for (line, _) in BROKEN {
        text += line;
        text.push('\n');
    }
    text += &lines(40);
    fs::write(&file, text).unwrap();
    let server = Server::dev(&[]);
    let before = exported(&at_server(&server));
    let data = folder.path().join("data");
    for place in [in_directory(&data), at_server(&server)] {
        let output = import(&place, &file);
        assert!(!output.status.success());
        let said = said(&output);
        for (index, (line, reason)) in BROKEN.iter().enumerate() {
            let named = format!("{}:{}: ", file.display(), first + index);
            let found = said.lines().find_map(|found| found.strip_prefix(&named)).unwrap_or_default();
            assert!(found.contains(reason), "{line}: {reason:?} in {found:?} of {said}");
        }
        assert_eq!(said.lines().count(), 21, "{said}");
        assert!(said.ends_with("error: nothing was changed\n"), "{said}");
    }
    assert!(!data.exists());
    assert_eq!(exported(&at_server(&server)), before);
}

#[test]
fn more_than_the_limits_of_a_profile_is_refused_unless_it_is_named() {
    let (folder, file) = folder();
    let groups: Vec<String> =
        (1..=21).map(|id| format!(r#"{{"GroupName":"g{id}","GroupId":{id}}}"#)).collect();
    let line = format!(
        r#"{{"Kind":"organizer","SdkAppId":{APP},"From_Account":"a","GroupItem":[{}]}}"#,
        groups.join(",")
    );
    fs::write(&file, line).unwrap();
    let directory = in_directory(&folder.path().join("data"));
    let output = import(&directory, &file);
    assert!(
        said(&output).contains("in.ndjson:1: an owner may have at most 20 conversation groups, found 21"),
        "{}",
        said(&output)
    );
    assert!(keyed(&["import", "--profile", "open"]).arg(&file).args(&directory).finish().status.success());
    // A server applies its own limits.
    let server = Server::dev(&["--profile", "open"]);
    assert!(import(&at_server(&server), &file).status.success());
}

#[test]
fn a_line_that_is_not_utf_8_and_one_that_never_ends_are_named() {
    let (folder, file) = folder();
    let mut bytes = b"\xff\xfe\n{\"Kind\":\"account\",\"SdkAppId\":1,\"UserID\":\"a\"}\n".to_vec();
    bytes.extend(std::iter::repeat_n(b' ', (40 << 20) + 5));
    bytes.extend(b"\n{}");
    fs::write(&file, bytes).unwrap();
    let said = said(&import(&in_directory(&folder.path().join("data")), &file));
    assert!(said.contains("in.ndjson:1: the line is not a JSON object"), "{said}");
    assert!(said.contains("in.ndjson:3: the line is longer than 41943040 bytes"), "{said}");
    assert!(said.contains("in.ndjson:4: SdkAppId is missing"), "{said}");
}

/// Tries two files that can be opened but not read: a directory, and a process's memory at address 0.
#[test]
fn a_file_that_cannot_be_read_is_named_once() {
    let (folder, _) = folder();
    let data = in_directory(&folder.path().join("data"));
    let output = import(&data, Path::new("/proc/self/mem"));
    assert!(!output.status.success());
    assert_eq!(
        said(&output),
        "error: the lines cannot be read: /proc/self/mem: Input/output error (os error 5)\n"
    );
    let seeded = keyed(&["dev", "--listen", "127.0.0.1:0", "--seed", "/proc/self"]).finish();
    assert!(!seeded.status.success());
    assert_eq!(said(&seeded), "error: /proc/self: the lines cannot be read: Is a directory (os error 21)\n");
}

#[test]
fn several_files_and_a_pipe_are_one_import() {
    let (folder, file) = folder();
    let second = folder.path().join("second.ndjson");
    // Neither file ends with a line feed.
    fs::write(&file, r#"{"Kind":"account","SdkAppId":5,"UserID":"a"}"#).unwrap();
    fs::write(&second, "{\"Kind\":\"account\",\"SdkAppId\":5,\"UserID\":\"b\"}\nbroken").unwrap();
    let directory = in_directory(&folder.path().join("data"));
    let run =
        |files: &[&Path], input: &str| said(&fed(keyed(&["import"]).args(files).args(&directory), input));
    let found = run(&[&file, &second], "");
    assert!(found.contains("second.ndjson:2: the line is not a JSON object"), "{found}");
    let piped = "{\"Kind\":\"account\",\"SdkAppId\":5,\"UserID\":\"c\"}\n";
    assert!(run(&[Path::new("-")], "x\n").contains("standard input:1: "));
    assert_eq!(run(&[&file, Path::new("-")], piped), "imported 2 lines (2 changed something)\n");
    assert_eq!(exported(&directory).lines().count(), 2);
}

#[test]
fn an_import_killed_in_the_middle_is_run_again_and_ends_equal() {
    let (folder, file) = folder();
    fs::write(&file, lines(20_000)).unwrap();
    let data = folder.path().join("data");
    let mut child =
        keyed(&["import"]).arg(&file).args(in_directory(&data)).stdout(Stdio::null()).spawn().unwrap();
    // Checking writes nothing, so everything in the log beyond the empty database comes from applied lines.
    eventually("some lines are applied", || {
        assert!(child.try_wait().unwrap().is_none(), "the import ended before it could be killed");
        fs::metadata(data.join("confold.db-wal")).is_ok_and(|wal| wal.len() >= 1 << 20)
    });
    child.kill().unwrap();
    end(&mut child).expect("a killed import should exit");
    let directory = in_directory(&data);
    let there = exported(&directory);
    let all = lines(20_000);
    assert!(there.len() > 1_000 && there.len() < all.len(), "{} of {} bytes", there.len(), all.len());
    let whole: std::collections::HashSet<&str> = all.lines().collect();
    assert!(there.lines().all(|line| whole.contains(line)), "each owner should be complete or missing");
    let again = said(&import(&directory, &file));
    assert!(again.starts_with("imported 20010 lines (") && !again.contains("(20010 changed"), "{again}");
    assert_eq!(exported(&directory), all);
}

#[test]
fn a_directory_in_use_names_the_other_way() {
    let (folder, file) = folder();
    fs::write(&file, lines(1)).unwrap();
    let data = folder.path().join("data");
    let _server = Server::on(&data);
    for task in ["import", "export"] {
        let mut command = keyed(&[task]);
        if task == "import" {
            command.arg(&file);
        }
        let said = said(&command.args(in_directory(&data)).finish());
        assert!(said.contains("is in use by a running server; use that server with --url http://ADDRESS --app ID --admin NAME --key-file FILE"), "{said}");
    }
}

#[test]
fn an_export_does_not_create_a_directory_or_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("typo");
    let output = keyed(&["export"]).args(in_directory(&data)).finish();
    assert!(said(&output).contains("there is no store in ") && !output.status.success(), "{}", said(&output));
    assert!(!data.exists());
}

#[test]
fn an_export_to_a_file_appears_when_it_is_complete() {
    let server = with_everything();
    let (folder, file) = folder();
    ok(keyed(&["export", "--output"]).arg(&file).args(at_server(&server)));
    assert_eq!(fs::read_to_string(&file).unwrap(), exported(&at_server(&server)));
    fs::write(&file, "kept").unwrap();
    let mut place = at_server(&server);
    place[5] = "nobody".to_owned();
    let output = keyed(&["export", "--output"]).arg(&file).args(place).finish();
    assert!(!output.status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept", "a failed export should leave the existing file");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn only_an_administrator_of_the_app_is_admitted() {
    let (_site, server, _client) = serving("", "");
    let refused = |command: &mut Command| {
        let output = command.finish();
        assert!(!output.status.success());
        said(&output)
    };
    let place = at_server(&server);
    assert!(refused(keyed(&["export"]).args(&place).env("CONFOLD_KEY", "wrong")).contains("(70009)"));
    let mut other = place.clone();
    other[5] = "nobody".to_owned();
    assert!(refused(keyed(&["export"]).args(&other)).contains("(60010)"));
    assert!(
        refused(keyed(&["export"]).args(&place).env_remove("CONFOLD_KEY"))
            .contains("use --key-file FILE, or set the environment variable CONFOLD_KEY")
    );
    let (_folder, file) = folder();
    fs::write(&file, r#"{"Kind":"account","SdkAppId":7,"UserID":"a"}"#).unwrap();
    let said = refused(keyed(&["import"]).arg(&file).args(&place));
    assert!(
        said.contains("in.ndjson:1: the line is about app 7, but only lines about app 88888888 are accepted"),
        "{said}"
    );
    let said = refused(keyed(&["import"]).arg(&file).args(&other));
    assert!(said.contains("(60010)"), "{said}");
}

#[test]
fn an_app_may_close_the_interchange_service() {
    let (_site, server, _client) = serving("", "closed_services = [\"interchange\"]");
    let output = keyed(&["export"]).args(at_server(&server)).finish();
    assert!(
        said(&output)
            .contains("the service interchange is switched off for app 88888888 on this server (60017)"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let (folder, _) = folder();
    let key = folder.path().join("key");
    fs::write(&key, KEY).unwrap();
    let usersig = |mode| {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        keyed(&["usersig", "--app", "88888888", "--admin", ADMIN, "--key-file"]).arg(&key).finish()
    };
    assert!(said(&usersig(0o644)).contains("--key-file: ") && said(&usersig(0o644)).contains("chmod o-rwx"));
    let signature = usersig(0o600);
    assert!(signature.status.success());
    let signature = said(&signature);
    let verified =
        ok(keyed(&["verify-usersig", "--app", "88888888", "--admin", ADMIN]).arg(signature.trim()));
    assert!(verified.contains("is valid for admin of app 88888888"), "{verified}");
}

#[test]
fn calls_are_served_while_lines_are_imported() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let (_folder, file) = folder();
    fs::write(&file, lines(3_000)).unwrap();
    let mut child = keyed(&["import"])
        .arg(&file)
        .args(at_server(&server))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut client = server.client();
    let mut calls = 0;
    while child.try_wait().unwrap().is_none() {
        client.ok(GET, r#"{"From_Account":"user0","StartIndex":0}"#);
        client.ok("im_open_login_svc/account_import", &format!(r#"{{"UserID":"during{calls}"}}"#));
        calls += 1;
    }
    assert_eq!(printed(&child.finish()), "imported 3010 lines (3010 changed something)\n");
    assert!(calls > 3, "{calls} calls");
    assert!(exported(&at_server(&server)).contains(&lines(3_000)[lines(0).len()..]));
}

#[test]
fn an_upload_that_breaks_off_fails() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let target = client.target("x").replace("/v4/x", "/interchange/import");
    let line = r#"{"Kind":"account","SdkAppId":88888888,"UserID":"whole"}"#;
    client
        .send(
            format!(
                "POST {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{line}\n\r\nzz\r\n",
                line.len() + 1
            )
            .as_bytes(),
        )
        .unwrap();
    let answer = client.answer(false).unwrap();
    assert_eq!((answer.status, answer.code()), (400, 60002), "{}", answer.body);
}
