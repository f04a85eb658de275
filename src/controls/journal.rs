//! The last calls: what was asked, what was answered, and why.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{api::Absent, domain::UnixSeconds, masking};

/// How many calls are remembered.
const CALLS: usize = 500;
/// How much of requests and replies is shown at once.
const SHOWN_BYTES: usize = 4 << 20;
/// How much of a request or reply is kept.
const BYTES: usize = 16 * 1024;
/// How much of it is searched for secrets: a signature that begins in what is kept is seen whole.
const SEARCHED: usize = 2 * BYTES;

/// One call. No signature and no key is in it: they are masked before anything is kept, so that a crash dump does
/// not contain them either.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JournalEntry {
    /// Its number, from 1 on.
    pub id: u64,
    /// The id that its reply, the log and the spans have.
    pub request_id: String,
    /// When it came, by the server's clock.
    pub time: UnixSeconds,
    /// Where it came from.
    pub source: IpAddr,
    /// Its path, without the query string.
    pub path: String,
    /// The app, when the caller was let in.
    #[serde(rename = "SdkAppId", skip_serializing_if = "Option::is_none")]
    pub app: Option<u32>,
    /// What was sent.
    pub request: Text,
    /// `ErrorCode` of the reply.
    pub code: u32,
    /// Why the call was refused, or one of its items where the reply has the vendor's sentence; otherwise empty.
    pub why: String,
    /// The reply; absent when the connection was closed instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<Text>,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

impl JournalEntry {
    /// Whether it is of this command.
    #[must_use]
    pub fn is_of(&self, command: &str) -> bool {
        self.path.rsplit('/').next() == Some(command)
    }
}

/// The last calls of a server.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    entries: VecDeque<JournalEntry>,
    /// Calls of commands that the vendor has and this server has not, by service and command. There are only as many
    /// names as [`Absent`] has.
    absent: BTreeMap<String, u64>,
}

impl Journal {
    /// Notes a call; its number is given here.
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

    /// Counts a call of a command that the vendor has and this server has not.
    pub fn count_absent(&self, absent: Absent) {
        let name = format!("{}/{}", absent.service(), absent.command());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).absent.entry(name).or_default() += 1;
    }

    /// How often each command was called that the vendor has and this server has not.
    pub fn absent(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).absent.clone()
    }

    /// The last calls that `wanted` takes, oldest first: so many, or fewer when they are large.
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

    /// Whether a call of this command is remembered.
    pub fn has(&self, command: &str) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entries.iter().any(|entry| entry.is_of(command))
    }

    /// How many calls are remembered.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.len()
    }

    /// Forgets all calls.
    pub fn clear(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entries.clear();
        kept.absent.clear();
    }
}

/// A request or reply as the journal keeps it: its bytes, read when somebody asks. It is told as JSON,
/// and as a text when it is none, or is long.
#[derive(Clone, Debug)]
pub struct Text {
    start: Box<[u8]>,
    length: usize,
}

impl Text {
    /// Keeps a text, or the beginning of a long one, without its secrets.
    #[must_use]
    pub fn of(text: &[u8]) -> Text {
        let length = text.len();
        let masked = masking::json_or_text(&text[..length.min(SEARCHED)]);
        let kept = if length > BYTES { masked.len().min(BYTES) } else { masked.len() };
        Text { start: masked[..kept].into(), length }
    }

    /// How many bytes are kept of it.
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
