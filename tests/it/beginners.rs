//! Tests twenty typical mistakes of beginners. Each reply has to explain the mistake so that it can be corrected
//! without the documentation: the field, the rule, what was found, and what to do.

use crate::harness::{ADMIN, APP, KEY, Server, query, sign};

const GET: &str = "/v4/recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

struct Mistake {
    what: &'static str,
    target: String,
    body: &'static str,
    code: u64,
    /// The text that `ErrorInfo`, or the first item's `ResultInfo`, has to contain.
    said: &'static str,
}

#[expect(clippy::too_many_lines, reason = "a list of twenty")]
fn mistakes() -> Vec<Mistake> {
    let good = query(APP, ADMIN, KEY);
    let at = |path: &str| format!("{path}?{good}");
    let mark = || at("/v4/recentcontact/mark_contact");
    let expired = "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZBZlAqUMYOJlGTmgviGpmgqizPTQTaU6ee7uFYlBkZVRhU6BuelOIV6R1QWGQQE57hWmkTlZOUFunqFVniaVQWX2yrVAgDOTDWq";
    let mistake = |what, target, body, code, said| Mistake { what, target, body, code, said };
    vec![
        mistake(
            "field in the wrong case",
            at(GET),
            r#"{"from_account":"user0","StartIndex":0}"#,
            50002,
            r#"From_Account is missing; is "from_account" meant to be this field?"#,
        ),
        mistake(
            "account as a number",
            at(GET),
            r#"{"From_Account":10001,"StartIndex":0}"#,
            60015,
            "From_Account must be a string, found the number 10001",
        ),
        mistake(
            "page without StartIndex",
            at(GET),
            r#"{"From_Account":"user0","NextStartIndex":0}"#,
            50002,
            r"StartIndex is missing (an integer: 0 for the first page, then the NextStartIndex of the previous reply)",
        ),
        mistake(
            "user never imported",
            at(GET),
            r#"{"From_Account":"alice","StartIndex":0}"#,
            50001,
            r#"From_Account: the account "alice" has not been imported; import it with v4/im_open_login_svc/account_import, or start dev with --directory open (confold serve: with the app's setting directory)"#,
        ),
        mistake(
            "comment in the JSON",
            at(GET),
            "{\"From_Account\":\"user0\", // who\n\"StartIndex\":0}",
            60003,
            r#"the body must be one JSON object: "/" is not expected at line 1, column 26; JSON has no comments"#,
        ),
        mistake("no body", at(GET), "", 60003, "it is empty; a call without fields must send {}"),
        mistake(
            "misspelt command",
            at("/v4/recentcontact/get_contact_groups"),
            BODY,
            60009,
            r#"the service recentcontact has no command "get_contact_groups"; did you mean get_contact_group?"#,
        ),
        mistake(
            "path without service",
            at("/v4/get_contact_group"),
            BODY,
            60009,
            r#"there is nothing at "/v4/get_contact_group"; calls go to /v4/<service>/<command>, for example /v4/recentcontact/get_contact_group"#,
        ),
        mistake(
            "query key in the wrong case",
            format!("{GET}?{}", good.replace("sdkappid", "SDKAppID")),
            BODY,
            60012,
            r#"the query parameter sdkappid is missing or empty; found "SDKAppID" (has to be sdkappid)"#,
        ),
        mistake(
            "app of another account",
            format!("{GET}?{}", good.replace("sdkappid=88888888", "sdkappid=1400000001")),
            BODY,
            70020,
            "this server has no app 1400000001; add it with --app 1400000001:KEY (confold serve: with an [[app]] table in the configuration)",
        ),
        mistake(
            "signature of another app",
            format!("{GET}?{}", good.replace("sdkappid=88888888", "sdkappid=1400000000")),
            BODY,
            70014,
            "The requested SDKAppID(1400000000) does not match the Usersig(88888888)",
        ),
        mistake(
            "wrong key",
            format!("{GET}?{}", query(APP, ADMIN, "my-other-key")),
            BODY,
            70009,
            "This UserSig is refused for app 88888888: it was not made with this app's key, or was changed afterwards",
        ),
        mistake(
            "expired signature",
            format!("{GET}?sdkappid=1400000000&identifier=administrator&usersig={expired}"),
            BODY,
            70001,
            "The UserSig in use is expired: it was valid until 2017-07-14T02:41:00Z, and the clock of this server says 20",
        ),
        mistake(
            "signature of a user",
            format!("{GET}?sdkappid={APP}&identifier=user0&usersig={}", sign(APP, "user0", KEY)),
            BODY,
            60010,
            r#"the identifier "user0" is not an administrator of app 88888888; REST calls have to be signed by one"#,
        ),
        mistake(
            "fields nobody knows",
            at("/v4/recentcontact/create_contact_group"),
            r#"{"From_Account":"user0","GroupName":"a","ContactIds":["teacher4"]}"#,
            50002,
            "GroupContactItem is missing (an array: exactly one element, with a GroupName and a ContactItem)",
        ),
        mistake(
            "conversation as a bare id",
            at("/v4/recentcontact/search_contact_group"),
            r#"{"From_Account":"user0","ContactItem":["teacher4"]}"#,
            50002,
            r#"ContactItem[0] must be an object, found the string "teacher4""#,
        ),
        mistake(
            "type in words",
            at("/v4/recentcontact/search_contact_group"),
            r#"{"From_Account":"user0","ContactItem":[{"Type":"C2C","To_Account":"teacher4"}]}"#,
            50002,
            r#"ContactItem[0].Type must be 1 (one-to-one, with To_Account) or 2 (group, with ToGroupId), found the string "C2C""#,
        ),
        mistake(
            "mark counted from one to 64",
            mark(),
            r#"{"From_Account":"user0","MarkItem":[{"OptType":1,"ContactItem":{"Type":1,"To_Account":"teacher4"},"SetMark":[64]}]}"#,
            50002,
            "MarkItem[0].SetMark[0] is refused: a standard mark must be a bit number from 0 to 63, found 64",
        ),
        mistake(
            "mark for the wrong kind of item",
            mark(),
            r#"{"From_Account":"user0","MarkItem":[{"OptType":2,"ContactItem":{"Type":1,"To_Account":"teacher4"},"SetMark":[1]}]}"#,
            50002,
            "nothing to apply: an item of OptType 2 needs CustomMark",
        ),
        mistake(
            "group of nobody",
            at("/v4/recentcontact/del_contact_group"),
            r#"{"From_Account":"user0","GroupName":"test1x"}"#,
            50002,
            r#"GroupName must be an array, found the string "test1x""#,
        ),
    ]
}

#[test]
fn twenty_mistakes_are_explained() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mistakes = mistakes();
    assert_eq!(mistakes.len(), 20);
    for Mistake { what, target, body, code, said } in mistakes {
        let reply = client.post(&target, body).unwrap().json();
        let item = &reply["ResultItem"][0];
        let (found, words) = match item.is_null() {
            true => (&reply["ErrorCode"], &reply["ErrorInfo"]),
            false => (&item["ResultCode"], &item["ResultInfo"]),
        };
        assert_eq!(*found, code, "{what}: {reply}");
        assert!(words.as_str().unwrap().contains(said), "{what}: {words}");
        // Run with --nocapture to read all of them.
        println!("{what}: {found} {words}");
    }
}
