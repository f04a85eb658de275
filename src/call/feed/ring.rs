//! The latest entries of an app's feed, as JSON, for all readers of the app that keep up.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, time::Instant};

use super::{cursor, form::Form};
use crate::{
    domain::{AppId, Event, EventContent, FeedEntry, UserId},
    store::{FeedCursor, FeedPart, Placed, Stream},
    wire,
};

/// The largest entry that is kept in memory. Readers read larger ones from the store, piece by piece.
const LARGEST: usize = 16 * 1024;

/// The latest entries of one app.
pub(super) struct Ring {
    pub(super) app: AppId,
    kept: Mutex<Kept>,
    /// Changes after entries were added.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    /// The cursors before the first and after the last entry; `None` until the feed has been read for the first time.
    span: Option<(FeedCursor, FeedCursor)>,
    entries: VecDeque<Entry>,
    /// The number of the first entry since the ring was created.
    first: u64,
    bytes: usize,
}

/// An entry in a ring.
struct Entry {
    stream: Stream,
    number: u64,
    event: u64,
    since: Instant,
    /// The owner whose event it is.
    user: Option<UserId>,
    /// Whether the account of this owner was deleted.
    ends_account: bool,
    /// `None` if the entry has to be read from the store.
    text: Option<Arc<Text>>,
}

/// An entry as text: a server-sent event with the cursor for readers that have read all entries before it.
pub(super) struct Text {
    event: Vec<u8>,
    /// Where its JSON is.
    json: Range<usize>,
}

impl Text {
    fn new(kind: &str, json: &[u8], id: &str) -> Text {
        let mut event = Vec::new();
        let begin = Form::begin_event(kind, &mut event);
        event.extend_from_slice(json);
        let json = begin..event.len();
        Form::end_event(id, &mut event);
        event.shrink_to_fit();
        Text { event, json }
    }

    /// Appends the entry in this form. `id` is the text of the reader's own cursor after it, if that is another one than
    /// the usual, and `before` the number of entries before it.
    pub(super) fn write(&self, form: Form, id: Option<&str>, before: u64, out: &mut Vec<u8>) {
        match (form, id) {
            (Form::Events, None) => out.extend_from_slice(&self.event),
            (Form::Events, Some(id)) => {
                out.extend_from_slice(&self.event[..self.json.end]);
                Form::end_event(id, out);
            }
            (Form::Object, _) => form.entry("", &self.event[self.json.clone()], "", before, out),
        }
    }

    fn bytes(&self) -> usize {
        self.event.len()
    }
}

/// What the ring holds for a reader at a certain place.
pub(super) enum Next {
    /// Entries with what a cursor needs to pass them.
    Entries(Vec<((Stream, u64, u64), Arc<Text>)>),
    /// There is nothing new.
    Nothing,
    /// The entry at this place is not in memory.
    Elsewhere,
}

impl Ring {
    pub(super) fn new(app: AppId) -> Ring {
        Ring { app, kept: Mutex::default(), news: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a receiver that notices when entries were added.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Returns the cursor after the last entry; `None` if the feed has not been read yet.
    pub(super) fn end(&self) -> Option<FeedCursor> {
        self.lock().span.as_ref().map(|(_, end)| end.clone())
    }

    /// Adds a part of the feed that was read from the end of the ring, and keeps at most `most` bytes.
    pub(super) fn add(&self, part: FeedPart, most: usize) {
        let FeedPart { entries, start, end, has_gap, .. } = part;
        let mut after = start.clone();
        let now = Instant::now();
        let added: Vec<Entry> = entries
            .iter()
            .map(|placed| {
                after.advance(placed);
                Entry::new(self.app, placed, &after, now)
            })
            .collect();
        let is_news = has_gap || !added.is_empty();
        {
            let mut kept = self.lock();
            match &mut kept.span {
                Some((_, old)) if !has_gap && start.is_in_life_of(old) => *old = end,
                span => {
                    *span = Some((start, end));
                    kept.clear();
                }
            }
            for entry in added {
                kept.add(entry);
            }
            while kept.bytes > most {
                kept.remove_first();
            }
        }
        if is_news {
            self.news.send_modify(|count| *count += 1);
        }
    }

    /// Removes entries that were added before a time.
    pub(super) fn forget(&self, before: Instant) {
        let mut kept = self.lock();
        while kept.entries.front().is_some_and(|entry| entry.since < before) {
            kept.remove_first();
        }
    }

    /// Returns the place at which a reader with this cursor continues, and whether the reader has read exactly the
    /// entries before it. Returns `None` if the reader has to read older entries first.
    pub(super) fn place_of(&self, cursor: &FeedCursor) -> Option<(u64, bool)> {
        let kept = self.lock();
        let (start, end) = kept.span.as_ref()?;
        if cursor == end {
            return Some((kept.next(), true));
        }
        cursor.has_reached(start).then_some((kept.first, cursor == start))
    }

    /// Returns the entries at a place that a reader with this cursor has not read yet, of about `most` bytes, and moves
    /// the place past them.
    pub(super) fn take(&self, place: &mut u64, cursor: &FeedCursor, most: usize) -> Next {
        let kept = self.lock();
        let Some(mut index) = place.checked_sub(kept.first).and_then(|index| usize::try_from(index).ok())
        else {
            return Next::Elsewhere;
        };
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(entry) = kept.entries.get(index) {
            if entry.number > cursor.of(entry.stream) {
                match &entry.text {
                    Some(text) if taken.is_empty() || bytes + text.bytes() <= most => {
                        bytes += text.bytes();
                        taken.push(((entry.stream, entry.number, entry.event), Arc::clone(text)));
                    }
                    None if taken.is_empty() => return Next::Elsewhere,
                    Some(_) | None => break,
                }
            }
            index += 1;
            *place += 1;
        }
        if taken.is_empty() { Next::Nothing } else { Next::Entries(taken) }
    }

    /// Returns the cursor after the last entry, if this place is there.
    pub(super) fn end_at(&self, place: u64) -> Option<FeedCursor> {
        let kept = self.lock();
        let (_, end) = kept.span.as_ref()?;
        (kept.next() == place).then(|| end.clone())
    }
}

impl Kept {
    /// Returns the number of the entry that is added next.
    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Removes everything, so that no reader continues in the ring where it was.
    fn clear(&mut self) {
        self.first = self.next() + 1;
        self.entries.clear();
        self.bytes = 0;
    }

    fn add(&mut self, entry: Entry) {
        if entry.ends_account {
            // What the account's earlier events contained must not be shown any more.
            for other in self.entries.iter_mut().filter(|other| other.user == entry.user) {
                self.bytes -= other.text.take().map_or(0, |text| text.bytes());
            }
        }
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
    }

    fn remove_first(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.first += 1;
        self.bytes -= entry.bytes();
        if let Some((start, _)) = &mut self.span {
            start.pass(entry.stream, entry.number, entry.event);
        }
    }
}

impl Entry {
    fn new(app: AppId, placed: &Placed, after: &FeedCursor, since: Instant) -> Entry {
        let Placed { stream, number, event, entry } = placed;
        let mut json = Vec::new();
        wire::write_feed_entry(entry, &mut json);
        let user = match entry {
            FeedEntry::Owner { user, .. } => Some(user.clone()),
            FeedEntry::Disbanded { .. } => None,
        };
        let text = (json.len() <= LARGEST).then(|| {
            let (kind, id) = (wire::kind_of(entry), cursor::encode(app, after));
            Arc::new(Text::new(kind, &json, &id))
        });
        let ends_account = matches!(
            entry,
            FeedEntry::Owner { event: Event { content: EventContent::AccountDeleted, .. }, .. }
        );
        Entry { stream: *stream, number: *number, event: *event, since, user, ends_account, text }
    }

    fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.bytes())
    }
}
