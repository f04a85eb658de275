//! Tests that a signature made by the official library of another language is accepted.

use std::process::Command;

use super::{Tool, is_missing, python};
use crate::{
    harness::{ADMIN, APP, KEY, Server},
    wait::Finish,
};

#[test]
fn signatures_of_the_official_python_generator_are_accepted() {
    if is_missing(&[Tool::PythonPackages]) {
        return;
    }
    let program = format!(
        "import TLSSigAPIv2; print(TLSSigAPIv2.TLSSigAPIv2({APP}, {KEY:?}).gen_sig({ADMIN:?}, 86400), end='')"
    );
    let output = Command::new(python("bin/python")).args(["-c", &program]).finish();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let signature = String::from_utf8(output.stdout).unwrap();

    let server = Server::dev(&[]);
    let target = format!(
        "/v4/recentcontact/get_contact_group?sdkappid={APP}&identifier={ADMIN}&usersig={signature}&random=99999999&contenttype=json"
    );
    let answer = server.client().post(&target, r#"{"From_Account":"user0","StartIndex":0}"#).unwrap();
    // The reply is exactly that of the documentation page.
    assert_eq!(
        answer.body,
        concat!(
            r#"{"ContactItem":[{"Type":1,"To_Account":"teacher4","StandardMark":"111001","ContactGroupId":[1,2],"Timestamp":1670843110},"#,
            r##"{"Type":2,"ToGroupId":"@TGS#1N3RSUYG2","StandardMark":"111001","CustomMark":"abcd","Timestamp":1672998266}],"##,
            r#""GroupItem":[{"GroupName":"test1x","GroupId":1},{"GroupName":"test10","GroupId":2}],"#,
            r#""CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#,
        )
    );
}
