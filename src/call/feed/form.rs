//! The two forms in which the feed is answered: server-sent events without an end, and one JSON object.

use super::cursor;
use crate::{domain::AppId, store::FeedCursor};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::call) enum Form {
    /// Server-sent events.
    Events,
    /// One JSON object: a long poll.
    Object,
}

/// How long a client of server-sent events should wait before it connects again, in milliseconds.
const RETRY: u32 = 3_000;

impl Form {
    /// Appends the beginning of the answer. A client of server-sent events gets the cursor at once, so that it can
    /// resume before the first event.
    pub(super) fn begin(self, app: AppId, at: Option<&FeedCursor>, out: &mut Vec<u8>) {
        match self {
            Form::Events => {
                let id = at.map(|at| format!("id: {}\n", cursor::encode(app, at))).unwrap_or_default();
                out.extend_from_slice(format!("retry: {RETRY}\n{id}\n").as_bytes());
            }
            Form::Object => out.extend_from_slice(br#"{"Events":["#),
        }
    }

    /// Appends an entry. `id` is the text of the cursor after it, and `before` the number of entries before it.
    pub(super) fn entry(self, kind: &str, json: &[u8], id: &str, before: u64, out: &mut Vec<u8>) {
        match self {
            Form::Events => {
                Form::begin_event(kind, out);
                out.extend_from_slice(json);
                Form::end_event(id, out);
            }
            Form::Object => {
                if before > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(json);
            }
        }
    }

    /// Appends what stands before the JSON of a server-sent event. Returns the length of the output.
    pub(super) fn begin_event(kind: &str, out: &mut Vec<u8>) -> usize {
        for part in ["event: ", kind, "\ndata: "] {
            out.extend_from_slice(part.as_bytes());
        }
        out.len()
    }

    /// Appends what stands after the JSON of a server-sent event. The cursor comes last, so that a program that stores it at
    /// once has read the whole event.
    pub(super) fn end_event(id: &str, out: &mut Vec<u8>) {
        for part in ["\nid: ", id, "\n\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// Appends the notice that entries are missing. An object has it at its end instead.
    pub(super) fn gap(self, app: AppId, at: &FeedCursor, out: &mut Vec<u8>) {
        if self == Form::Events {
            self.entry("gap", b"{}", &cursor::encode(app, at), 0, out);
        }
    }

    /// Appends a comment, which shows that the stream is alive, and the cursor. It moves on also without events, so that it
    /// does not become too old.
    pub(super) fn comment(self, app: AppId, at: &FeedCursor, out: &mut Vec<u8>) {
        if self == Form::Events {
            out.extend_from_slice(format!(":\nid: {}\n\n", cursor::encode(app, at)).as_bytes());
        }
    }

    /// Appends the end of the answer.
    pub(super) fn end(self, app: AppId, at: &FeedCursor, more: bool, gap: bool, out: &mut Vec<u8>) {
        if self == Form::Object {
            let gap = if gap { r#","Gap":true"# } else { "" };
            let id = cursor::encode(app, at);
            out.extend_from_slice(format!(r#"],"Cursor":"{id}","HasMore":{more}{gap}}}"#).as_bytes());
        }
    }
}
