//! The most recent calls: request, reply, and why a call was refused.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{api::Absent, domain::UnixSeconds, masking};

/// The number of calls that are kept.
const CALLS: usize = 500;
/// The maximum size of requests and replies that are returned at once.
const SHOWN_BYTES: usize = 4 << 20;
/// The maximum size that is kept of one request or reply.
const BYTES: usize = 16 * 1024;
/// The size that is searched for secrets. It is larger, so that a signature cut off by the limit is still recognized.
const SEARCHED: usize = 2 * BYTES;

/// One call. Signatures and keys are masked before anything is stored, so that a crash dump does not
/// contain them either.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JournalEntry {
    /// The number of the call, counted from 1.
    pub id: u64,
    /// The request id, as in the reply, the log and the spans.
    pub request_id: String,
    /// When it arrived, by the server's clock.
    pub time: UnixSeconds,
    /// The address of the client.
    pub source: IpAddr,
    /// The path, without the query string.
    pub path: String,
    /// The app, if the caller was admitted.
    #[serde(rename = "SdkAppId", skip_serializing_if = "Option::is_none")]
    pub app: Option<u32>,
    /// Whether nothing that the call changed was kept; only listed if so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The body of the request.
    pub request: Text,
    /// `ErrorCode` of the reply.
    pub code: u32,
    /// Why the call was refused, or the first hint of a refused item; otherwise empty.
    pub why: String,
    /// The reply; absent if the connection was closed instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<Text>,
    /// The duration in milliseconds.
    pub ms: f64,
}

impl JournalEntry {
    /// Returns whether the entry is a call of `command`.
    #[must_use]
    pub fn is_of(&self, command: &str) -> bool {
        self.path.rsplit('/').next() == Some(command)
    }
}

/// The most recent calls of a server.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    entries: VecDeque<JournalEntry>,
    /// Calls of the vendor's commands that confold does not implement, by service and command. The number of names is
    /// bounded by [`Absent`].
    absent: BTreeMap<String, u64>,
}

impl Journal {
    /// Adds a call and assigns its number.
    pub fn note(&self, entry: JournalEntry) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let id = kept.last;
        if kept.entries.len() == CALLS {
            kept.entries.pop_front();
        }
        let JournalEntry { path, why, .. } = &entry;
        let (path, why) = (masking::text(path).into_owned(), masking::text(why).into_owned());
        kept.entries.push_back(JournalEntry { id, path, why, ..entry });
    }

    /// Counts a call of a command that confold does not implement.
    pub fn count_absent(&self, absent: Absent) {
        let name = format!("{}/{}", absent.service(), absent.command());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).absent.entry(name).or_default() += 1;
    }

    /// Returns how often each command that confold does not implement was called.
    pub fn absent(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).absent.clone()
    }

    /// Returns the most recent calls that `wanted` accepts, oldest first: at most `limit`, and fewer if they are large.
    pub fn last(&self, limit: usize, wanted: impl Fn(&JournalEntry) -> bool) -> Vec<JournalEntry> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = SHOWN_BYTES;
        let mut found: Vec<JournalEntry> = (kept.entries.iter().rev())
            .filter(|entry| wanted(entry))
            .take(limit)
            .take_while(|entry| {
                let bytes = entry.request.kept() + entry.reply.as_ref().map_or(0, Text::kept);
                let fits = bytes <= room;
                room = room.saturating_sub(bytes);
                fits
            })
            .cloned()
            .collect();
        found.reverse();
        found
    }

    /// Returns whether the journal has a call of this command.
    pub fn has(&self, command: &str) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entries.iter().any(|entry| entry.is_of(command))
    }

    /// Returns the number of calls in the journal.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.len()
    }

    /// Removes all calls.
    pub fn clear(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entries.clear();
        kept.absent.clear();
    }
}

/// The body of a request or reply. It is serialized as JSON if it is complete and valid JSON, otherwise
/// as a string.
#[derive(Clone, Debug)]
pub struct Text {
    start: Box<[u8]>,
    length: usize,
}

impl Text {
    /// Keeps a body, or the beginning of a long one, with its secrets masked.
    #[must_use]
    pub fn of(text: &[u8]) -> Text {
        let length = text.len();
        let masked = masking::json_or_text(&text[..length.min(SEARCHED)]);
        let kept = if length > BYTES { masked.len().min(BYTES) } else { masked.len() };
        Text { start: masked[..kept].into(), length }
    }

    /// Returns the number of bytes that are kept.
    fn kept(&self) -> usize {
        self.start.len()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = String::from_utf8_lossy(&self.start);
        if self.length > BYTES {
            return serializer.serialize_str(&format!("{text}… ({} bytes)", self.length));
        }
        match serde_json::from_slice::<Value>(&self.start) {
            Ok(value) => value.serialize(serializer),
            Err(_) => serializer.serialize_str(&text),
        }
    }
}
