//! Asks for a page of `get_list` and reads the reply, for pulling recent lists from another server.

use serde_json::json;

use super::{
    known,
    line::Refusable,
    sessions::{SessionItem, read_session},
};
use crate::wire::{Fault, Field, Fields, Node, Value, bare, unreadable};

/// The four numbers with which the next page continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// `TimeStamp`.
    pub time: i64,
    /// `StartIndex`.
    pub index: i64,
    /// `TopTimeStamp`, for pinned conversations.
    pub top_time: i64,
    /// `TopStartIndex`, for pinned conversations.
    pub top_index: i64,
}

impl Cursor {
    /// Returns the body of the request for this page of an owner's list, with pins and with conversations that have no
    /// message.
    #[must_use]
    pub fn request(self, owner: &str) -> String {
        json!({
            known::FROM_ACCOUNT.name: owner,
            TIME_STAMP.name: self.time,
            known::START_INDEX.name: self.index,
            TOP_TIME_STAMP.name: self.top_time,
            TOP_START_INDEX.name: self.top_index,
            ASSIST_FLAGS.name: EVERYTHING,
        })
        .to_string()
    }
}

/// One page of an owner's recent list, as `get_list` returns it.
#[derive(Clone, Debug)]
pub struct RecentReply {
    /// `ErrorCode`; if it is not 0, there are no sessions.
    pub code: i64,
    /// `ErrorInfo`.
    pub info: String,
    /// The sessions of this page.
    pub sessions: Vec<SessionItem>,
    /// The number of sessions that cannot be stored.
    pub skipped: usize,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Refusable for RecentReply {
    fn refusal(&self) -> (i64, &str) {
        (self.code, &self.info)
    }
}

/// All bits of `AssistFlags` that are known.
const EVERYTHING: u32 = 63;

const ASSIST_FLAGS: Field = bare("AssistFlags");
const TIME_STAMP: Field = bare("TimeStamp");
const TOP_TIME_STAMP: Field = bare("TopTimeStamp");
const TOP_START_INDEX: Field = bare("TopStartIndex");
const REPLY: &[Field] = &[
    known::SESSION_ITEM,
    known::COMPLETE_FLAG,
    TIME_STAMP,
    known::START_INDEX,
    TOP_TIME_STAMP,
    TOP_START_INDEX,
    known::ERROR_CODE,
    known::ERROR_INFO,
];

/// Reads a page. Sessions that cannot be stored, such as those of an unknown type, are counted.
///
/// # Errors
/// Returns what is wrong with the reply: the field, the rule and what was found.
pub fn read_recent_reply(text: &[u8]) -> Result<RecentReply, String> {
    let node = Node::parse(text)
        .map_err(|error| format!("the reply is not a JSON object: {}", unreadable(text, &error)))?;
    let fields = Fields::of_request(&node).map_err(|fault| format!("the reply {fault}"))?;
    read(fields.described(REPLY)).map_err(|fault| fault.to_string())
}

fn read(fields: Fields<'_>) -> Result<RecentReply, Fault> {
    let mut reply = RecentReply {
        code: fields.required(&known::ERROR_CODE, |value| value.read::<i64>())?,
        info: fields.optional_text(&known::ERROR_INFO)?.unwrap_or_default().to_owned(),
        sessions: Vec::new(),
        skipped: 0,
        next: None,
    };
    if reply.code != 0 {
        return Ok(reply);
    }
    let session =
        |item: Value<'_>| Ok::<_, Fault>(read_session(item.fields()?.described(known::SESSION)).ok());
    let items = fields.optional(&known::SESSION_ITEM, |items| items.each(session))?.unwrap_or_default();
    let listed = items.len();
    reply.sessions = items.into_iter().flatten().collect();
    reply.skipped = listed - reply.sessions.len();
    if fields.required(&known::COMPLETE_FLAG, |value| value.read::<i64>())? != 1 {
        let number = |field: &'static Field| fields.required(field, |value| value.read::<i64>());
        reply.next = Some(Cursor {
            time: number(&TIME_STAMP)?,
            index: number(&known::START_INDEX)?,
            top_time: number(&TOP_TIME_STAMP)?,
            top_index: number(&TOP_START_INDEX)?,
        });
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_and_sessions_that_cannot_be_stored_are_counted() {
        let read = |text: &str| read_recent_reply(text.as_bytes());
        let page = read(
            r#"{"SessionItem":[{"Type":1,"To_Account":"a","MsgTime":7,"TopFlag":1,"StandardMark":"1"},
                {"Type":2,"GroupId":"@TGS#1","MsgTime":9,"TopFlag":0,"UnreadMsgCount":3},
                {"Type":3,"To_Account":"b","MsgTime":9,"TopFlag":0},{"Type":1,"MsgTime":9,"TopFlag":0}],
                "CompleteFlag":0,"TimeStamp":10,"StartIndex":1,"TopTimeStamp":12,"TopStartIndex":2,
                "ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        )
        .unwrap();
        let found: Vec<_> =
            page.sessions.iter().map(|item| (item.last, item.marks.pinned, item.incarnation)).collect();
        assert_eq!((found, page.skipped), (vec![(7, 7, None), (9, 0, None)], 2));
        assert_eq!(page.next, Some(Cursor { time: 10, index: 1, top_time: 12, top_index: 2 }));
        let last = read(r#"{"SessionItem":[],"CompleteFlag":1,"ErrorCode":0}"#).unwrap();
        assert!(last.sessions.is_empty() && last.next.is_none());
        let refused = read(r#"{"ErrorCode":60009,"ErrorInfo":"no"}"#).unwrap();
        assert_eq!((refused.code, &*refused.info), (60009, "no"));
        assert!(
            read(r#"{"ErrorCode":0,"CompleteFlag":0,"TimeStamp":1}"#)
                .unwrap_err()
                .contains("StartIndex is missing")
        );
        assert!(read(r#"{"ErrorCode":0}"#).unwrap_err().contains("CompleteFlag is missing"));
        assert!(read(r#"{"ErrorCode":0,"SessionItem":7}"#).unwrap_err().contains("must be an array"));
    }
}
