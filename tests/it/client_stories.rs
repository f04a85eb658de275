//! Replays the requests of client libraries that the tests cannot run, one file per library in `client_stories/`, and checks that
//! each library can read the replies. The files have the form of golden files.
//!
//! What a library needs is what its code reads: a field that it reads without asking whether it is there, and a type that it
//! insists on.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::golden::replay;

/// What must hold for a field, which is a path such as `QueryResult[].Status`.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// The field is there, as this type.
    Must(&'static str, Kind),
    /// If the field is there, it has this type.
    May(&'static str, Kind),
    /// The field is not there.
    Never(&'static str),
    /// The field is not there, unless the request names it.
    Unasked(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// A number that fits into 32 bits with a sign.
    Integer,
    /// A number that fits into 64 bits without a sign.
    Long,
    TextOrNumber,
    List,
    NonEmptyList,
    OneOf(&'static [&'static str]),
}

use Kind::{Integer, List, Long, NonEmptyList, OneOf, Text, TextOrNumber};
use Need::{May, Must, Never, Unasked};

/// Which replies a need is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Success,
    Always,
}

use When::{Always, Success};

const GROUP_TYPES: Kind = OneOf(&["Private", "Public", "ChatRoom", "AVChatRoom", "Community"]);
const STATES: Kind = OneOf(&["Online", "PushOnline", "Offline"]);

/// What every library reads from every reply.
const EVERYWHERE: [Need; 4] = [
    Must("ErrorCode", Integer),
    Must("ErrorInfo", Text),
    Must("ActionStatus", OneOf(&["OK", "FAIL", "SomeError"])),
    May("ErrorDisplay", Text),
];

/// What libraries read from the replies of single commands. An empty command means every command.
const NEEDS: &[(&str, &str, When, &[Need])] = &[
    // The vendor's Java SDK and its PHP counterparts.
    (
        "official_java",
        "query_online_status",
        Success,
        &[
            Must("QueryResult[].To_Account", Text),
            Must("QueryResult[].Status", Text),
            Never("QueryResult[].Detail"),
            Must("ErrorList[].To_Account", Text),
            Must("ErrorList[].ErrorCode", Integer),
        ],
    ),
    (
        "official_java",
        "batchsendmsg",
        Always,
        &[Must("ErrorList[].To_Account", Text), Must("ErrorList[].ErrorCode", Integer)],
    ),
    (
        "official_java",
        "get_joined_group_list",
        Success,
        &[Must("TotalCount", Integer), Must("GroupIdList", List), Unasked("GroupIdList[].Type")],
    ),
    (
        "official_java",
        "get_group_member_info",
        Success,
        &[Must("MemberNum", Integer), Must("MemberList", List), May("Next", Text)],
    ),
    (
        "official_java",
        "get_list",
        Success,
        &[
            Must("SessionItem", List),
            Must("CompleteFlag", Integer),
            Must("TimeStamp", Integer),
            Must("StartIndex", Integer),
            Must("TopTimeStamp", Integer),
            Must("TopStartIndex", Integer),
        ],
    ),
    ("official_java", "portrait_get", Success, &[May("UserProfileItem[].ProfileItem[].Value", TextOrNumber)]),
    // doocs types the time of a conversation as a number of 32 bits.
    (
        "doocs_java",
        "get_list",
        Success,
        &[
            Must("SessionItem[].Type", Integer),
            Must("SessionItem[].MsgTime", Integer),
            Must("SessionItem[].TopFlag", Integer),
            May("SessionItem[].GroupId", Text),
            May("SessionItem[].To_Account", Text),
        ],
    ),
    // dobyte and its copy stop when the flag is not 0.
    (
        "dobyte_go",
        "get_list",
        Success,
        &[
            Must("CompleteFlag", Integer),
            Must("SessionItem[].Type", Integer),
            Must("SessionItem[].MsgTime", Long),
            Must("SessionItem[].TopFlag", Integer),
        ],
    ),
    (
        "dobyte_go",
        "portrait_get",
        Success,
        &[
            May("UserProfileItem[].To_Account", Text),
            May("UserProfileItem[].ResultCode", Integer),
            May("UserProfileItem[].ResultInfo", Text),
            May("UserProfileItem[].ProfileItem[].Tag", Text),
        ],
    ),
    ("chinayin_php", "sendmsg", Success, &[Must("MsgKey", Text)]),
    ("chinayin_php", "portrait_get", Success, &[Must("UserProfileItem", NonEmptyList)]),
    ("chinayin_php", "querystate", Success, &[Must("QueryResult", NonEmptyList)]),
    ("chinayin_php", "import_group_msg", Success, &[Must("ImportMsgResult", List)]),
    ("chinayin_php", "import_group_member", Success, &[Must("MemberList", List)]),
    ("chinayin_php", "get_online_member_num", Success, &[Must("OnlineMemberNum", Integer)]),
    // Go refuses a value of another type.
    (
        "xjcloudy_go",
        "querystate",
        Always,
        &[May("QueryResult[].To_Account", Text), May("QueryResult[].State", Text)],
    ),
    ("xjcloudy_go", "sendmsg", Always, &[May("MsgTime", Integer)]),
    (
        "xjcloudy_go",
        "batchsendmsg",
        Always,
        &[May("ErrorList[].To_Account", Text), May("ErrorList[].ErrorCode", Integer)],
    ),
    (
        "xjcloudy_go",
        "import_group_member",
        Always,
        &[
            May("MemberList[].Member_Account", Text),
            May("MemberList[].Role", Text),
            May("MemberList[].Result", Integer),
        ],
    ),
    (
        "tencent_api_java",
        "portrait_get",
        Success,
        &[May("UserProfileItem[].To_Account", Text), May("UserProfileItem[].ProfileItem[].Tag", Text)],
    ),
    (
        "web_sdk",
        "batch_delete",
        Success,
        &[
            Must("ResultItem[].Type", Integer),
            Must("ResultItem[].ResultCode", Integer),
            Must("ResultItem[].ResultInfo", Text),
        ],
    ),
    // The library for Rust is run as well; a word that it does not know would fail only in cases that are not run.
    (
        "tencent_im_rs",
        "query_online_status",
        Success,
        &[Must("QueryResult[].To_Account", Text), Must("QueryResult[].State", STATES)],
    ),
    (
        "tencent_im_rs",
        "querystate",
        Success,
        &[Must("QueryResult[].To_Account", Text), Must("QueryResult[].State", STATES)],
    ),
    (
        "tencent_im_rs",
        "portrait_get",
        Success,
        &[
            Must("UserProfileItem[].To_Account", Text),
            Must("UserProfileItem[].ResultCode", Integer),
            Must("UserProfileItem[].ResultInfo", Text),
            Must("UserProfileItem[].ProfileItem[].Tag", Text),
            Must("UserProfileItem[].ProfileItem[].Value", TextOrNumber),
        ],
    ),
    (
        "tencent_im_rs",
        "import_group_msg",
        Always,
        &[
            Must("ImportMsgResult", List),
            Must("ImportMsgResult[].MsgSeq", Long),
            Must("ImportMsgResult[].MsgTime", Long),
            Must("ImportMsgResult[].Result", Integer),
        ],
    ),
    ("tencent_im_rs", "import_group_member", Success, &[Must("MemberList[].Member_Account", Text)]),
    ("tencent_im_rs", "get_joined_group_list", Success, &[May("GroupIdList[].Type", GROUP_TYPES)]),
    (
        "tencent_im_rs",
        "get_list",
        Success,
        &[
            Must("TimeStamp", Long),
            Must("StartIndex", Integer),
            Must("TopTimeStamp", Long),
            Must("TopStartIndex", Integer),
            Must("SessionItem[].MsgTime", Long),
        ],
    ),
];

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Text => value.is_string(),
            Integer => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Long => value.is_u64(),
            TextOrNumber => value.is_string() || value.is_u64(),
            List => value.is_array(),
            NonEmptyList => value.as_array().is_some_and(|items| !items.is_empty()),
            OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        }
    }
}

/// Returns everything at a path; `None` stands for a field that is missing from an object that is there. A list that is missing has no
/// items.
fn at<'v>(value: &'v Value, path: &str) -> Vec<Option<&'v Value>> {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let found = value.get(name);
    match (rest, is_list) {
        (None, _) => vec![found],
        (Some(rest), true) => {
            found.and_then(Value::as_array).into_iter().flatten().flat_map(|item| at(item, rest)).collect()
        }
        (Some(rest), false) => found.into_iter().flat_map(|inner| at(inner, rest)).collect(),
    }
}

impl Need {
    /// Returns whether a reply meets the need.
    fn is_met(self, request: &str, reply: &Value) -> bool {
        match self {
            Must(path, kind) => at(reply, path).into_iter().all(|found| found.is_some_and(|v| kind.fits(v))),
            May(path, kind) => at(reply, path).into_iter().flatten().all(|value| kind.fits(value)),
            Never(path) => at(reply, path).into_iter().flatten().next().is_none(),
            Unasked(path) => {
                let field = path.rsplit('.').next().unwrap_or(path);
                request.contains(&format!("\"{field}\"")) || Never(path).is_met(request, reply)
            }
        }
    }
}

/// Returns the needs that a reply does not meet, of all libraries.
fn unmet(command: &str, request: &str, reply: &Value) -> Vec<String> {
    let short = command.rsplit('/').next().unwrap_or(command);
    let succeeds = reply["ErrorCode"] == 0;
    let everywhere = EVERYWHERE.iter().map(|need| ("every library", need));
    let single = NEEDS
        .iter()
        .filter(|(_, of, when, _)| *of == short && (succeeds || *when == Always))
        .flat_map(|(library, _, _, needs)| needs.iter().map(|need| (*library, need)));
    let all = everywhere.chain(single).filter(|(_, need)| !need.is_met(request, reply));
    all.map(|(library, need)| format!("{command} {request}: {library} needs {need:?}, found {reply}"))
        .collect()
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

/// Returns the calls of all stories of a folder: the command, the request and the reply.
fn calls(of: &str) -> Vec<(String, String, Value)> {
    let mut calls = Vec::new();
    for path in fs::read_dir(folder(of)).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for call in lines.windows(3) {
            let (Some(command), Some(reply)) = (call[0].strip_prefix("> "), call[2].strip_prefix("< "))
            else {
                continue;
            };
            let reply = serde_json::from_str(&reply.replace(":NOW", ":1760000001")).unwrap();
            calls.push((command.to_owned(), call[1].to_owned(), reply));
        }
    }
    calls
}

/// Checks the stories of the clients, and those of the commands: a library may make any of these calls.
#[test]
fn every_library_can_read_the_replies() {
    let all = [calls("client_stories"), calls("golden")].concat();
    let unmet: Vec<String> =
        all.iter().flat_map(|(command, request, reply)| unmet(command, request, reply)).collect();
    assert!(unmet.is_empty(), "{}", unmet.join("\n"));
}

#[test]
fn every_need_is_about_a_call_of_a_story() {
    let all = [calls("client_stories"), calls("golden")].concat();
    for (library, command, when, needs) in NEEDS {
        for need in *needs {
            let (Must(path, _) | May(path, _) | Never(path) | Unasked(path)) = need;
            // A field that must not be there is looked for in an object that is.
            let path = match need {
                Never(_) | Unasked(_) => path.rsplit_once('.').unwrap().0,
                _ => path,
            };
            let shows = |(of, _, reply): &&(String, String, Value)| {
                of.ends_with(&format!("/{command}"))
                    && (*when == Always || reply["ErrorCode"] == 0)
                    && at(reply, path.trim_end_matches("[]")).into_iter().flatten().next().is_some()
            };
            let optional = matches!(need, May("Next" | "MsgTime" | "MemberList[].Role", _));
            assert!(optional || all.iter().any(|call| shows(&call)), "{library} {command} {path}");
        }
    }
}

/// The check itself finds replies that a library could not read.
#[test]
fn a_reply_that_a_library_cannot_read_is_found() {
    let found = |command: &str, request: &str, reply: &str| {
        let reply = reply.replacen('{', r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","#, 1);
        unmet(command, request, &serde_json::from_str(&reply).unwrap()).len()
    };
    let status = "openim/query_online_status";
    let right = r#"{"QueryResult":[{"To_Account":"a","Status":"Offline","State":"Offline"}],"ErrorList":[]}"#;
    assert_eq!(found(status, "", right), 0);
    assert_eq!(found(status, "", &right.replace(r#","State":"Offline""#, "")), 1);
    assert_eq!(found(status, "", &right.replace(r#""State":"Offline""#, r#""State":"Away""#)), 1);
    assert_eq!(found(status, "", &right.replace(r#""Status""#, r#""Detail":[],"Stat""#)), 2);
    let joined = r#"{"TotalCount":1,"GroupIdList":[{"GroupId":"g","Type":"Work"}]}"#;
    let command = "group_open_http_svc/get_joined_group_list";
    assert_eq!(found(command, "{}", joined), 2);
    assert_eq!(found(command, r#"{"ResponseFilter":{"GroupBaseInfoFilter":["Type"]}}"#, joined), 1);
    assert_eq!(found("group_open_http_svc/get_online_member_num", "", r#"{"OnlineMemberNum":"1"}"#), 1);
    assert_eq!(found("profile/portrait_get", "", r#"{"UserProfileItem":[]}"#), 1);
}

/// The commands of the recent list, and its neighbours.
const COMMANDS: &[&str] = &[
    "openim/querystate openim/query_online_status openim/sendmsg openim/batchsendmsg openim/importmsg",
    "profile/portrait_set profile/portrait_get im_open_login_svc/kick",
    "group_open_http_svc/send_group_msg group_open_http_svc/import_group_msg",
    "group_open_http_svc/send_group_system_notification group_open_http_svc/import_group_member",
    "group_open_http_svc/get_joined_group_list group_open_http_svc/get_group_member_info",
    "group_open_http_svc/modify_group_base_info group_open_http_svc/modify_group_member_info",
    "group_open_http_svc/change_group_owner group_open_http_svc/get_online_member_num",
    "recentcontact/get_list recentcontact/delete recentcontact/top recentcontact/batch_delete",
];

fn is_new(command: &str) -> bool {
    COMMANDS.iter().any(|line| line.split(' ').any(|known| known == command))
}

macro_rules! stories {
    ($($name:ident)+) => {
        $(#[test] fn $name() { replay("client_stories", stringify!($name), is_new); })+

        #[test]
        fn every_story_is_replayed_and_every_command_is_in_one() {
            let replayed: BTreeSet<String> = [$(stringify!($name).to_owned()),+].into();
            let files = fs::read_dir(folder("client_stories")).unwrap().map(|entry| entry.unwrap().path());
            let files: BTreeSet<String> =
                files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
            assert_eq!(replayed, files);
            let called: BTreeSet<String> =
                calls("client_stories").into_iter().map(|(command, ..)| command).collect();
            for command in COMMANDS.iter().flat_map(|line| line.split(' ')) {
                assert!(called.contains(command), "{command} is in no story");
            }
        }
    };
}

stories! {
    official_java doocs_java dobyte_go chinayin_php lishuncoder_php zishang520_php xjcloudy_go tencent_api_java
    web_sdk fireqong_php
}
