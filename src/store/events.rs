//! Events as stores return them: the place of an owner in time, the events of one owner, and the feed of an app.

use super::{HistoryPoint, Place};
use crate::domain::{ChangeNumber, Conversation, Event, FeedEntry, Owner, OwnerState};

/// The number of buckets into which the owners of an app are divided, unless it was set when the store was created.
/// There is an order between the events of one bucket, and none between buckets.
pub const BUCKETS: u8 = 64;
/// The highest number of buckets. A cursor of the feed has a position for each.
pub const MAX_BUCKETS: u8 = 128;

/// Returns the bucket of an owner. Buckets are part of the stored format, so this must never change.
#[must_use]
pub(super) fn bucket_of(owner: &Owner, buckets: u8) -> u8 {
    // FNV-1a is weak for short ids that differ in their last characters only, so its bits are mixed afterwards.
    let bytes = owner.app.number().to_le_bytes().into_iter().chain(owner.user.as_str().bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u8::try_from((hash ^ (hash >> 31)) % u64::from(buckets.max(1))).unwrap_or(0)
}

/// Which events of an owner to read.
#[derive(Clone, Debug, Default)]
pub struct WantedEvents {
    /// The highest version whose events are not wanted; `None` wants all events.
    pub after: Option<ChangeNumber>,
    /// The id of the event before which to begin; `None` begins with the latest.
    pub before: Option<String>,
    /// A point about which [`Followed::foreign`] informs.
    pub point: Option<HistoryPoint>,
    /// The maximum number of events.
    pub most: usize,
    /// The approximate number of bytes after which no further event is returned; `None` has no limit. The first event is
    /// returned whatever its size.
    pub bytes: Option<usize>,
}

/// An owner together with events, all of one moment.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// The account and the organizer, without records about disbanded chat groups.
    pub state: OwnerState,
    /// The place of this state.
    pub place: Place,
    /// The conversations of stored records about disbanded chat groups, each with the number of the disbanding.
    pub dead: Vec<(Conversation, u64)>,
    /// The wanted events, latest first.
    pub events: Vec<Event>,
    /// Whether these are all wanted events. Otherwise there are more than `most` or `bytes` allow, or older ones have
    /// been removed.
    pub is_complete: bool,
    /// Whether older events exist beyond the last returned one.
    pub has_more: bool,
    /// Whether [`WantedEvents::before`] is an event of the owner that is still kept, or was not given.
    pub knows_before: bool,
    /// [`WantedEvents::point`], if the store has not been through it.
    pub foreign: Option<HistoryPoint>,
}

/// Where to begin reading the feed of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedFrom {
    /// With the oldest entry that is kept.
    Earliest,
    /// With the next entry.
    Latest,
    /// After this cursor.
    After(FeedCursor),
}

/// A place in the feed of an app: the number of the last entry in each bucket, and of the last disbanding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedCursor {
    /// The point of the latest entry before the cursor.
    pub point: HistoryPoint,
    /// The number of resets in the app.
    pub epoch: u32,
    /// The number of the last disbanding.
    pub disbandings: u64,
    /// The number of the last event in each bucket. If there are fewer numbers than buckets, the last one is that of all
    /// remaining buckets; a store that keeps all events in one order needs a single number.
    pub buckets: Vec<u64>,
}

/// The stream of the feed that an entry belongs to. There is an order within a stream, and none between streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The events of the owners in this bucket.
    Bucket(u8),
    /// The disbandings of chat groups.
    Disbandings,
}

/// An entry of the feed, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The stream.
    pub stream: Stream,
    /// The number of the event, which rises within its stream, or of the disbanding.
    pub number: u64,
    /// [`HistoryPoint::event`] after the entry.
    pub event: u64,
    /// The entry.
    pub entry: FeedEntry,
}

/// A part of the feed of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedPart {
    /// The entries. Those of one stream are in order.
    pub entries: Vec<Placed>,
    /// The cursor before the first entry. [`FeedCursor::advance`] moves it past an entry.
    pub start: FeedCursor,
    /// The cursor after everything that was looked at for this part. It is at least that after the last entry, and may be
    /// further, because events of other apps were skipped.
    pub end: FeedCursor,
    /// Whether entries after the given cursor are missing, because they were removed or because the cursor is from
    /// another life of the store or app.
    pub has_gap: bool,
    /// Whether there are more entries.
    pub has_more: bool,
}

impl FeedCursor {
    /// Moves the cursor past an entry of a part that begins at the cursor, provided that it is past all earlier entries of
    /// the part.
    pub fn advance(&mut self, entry: &Placed) {
        self.pass(entry.stream, entry.number, entry.event);
    }

    /// Like [`FeedCursor::advance`], for the entry with this number, after which [`HistoryPoint::event`] is `event`.
    pub fn pass(&mut self, stream: Stream, number: u64, event: u64) {
        self.point.event = self.point.event.max(event);
        match stream {
            Stream::Bucket(bucket) => self.raise(bucket, number),
            Stream::Disbandings => self.disbandings = self.disbandings.max(number),
        }
    }

    fn raise(&mut self, bucket: u8, number: u64) {
        let index = self.index(bucket);
        if let Some(position) = self.buckets.get_mut(index) {
            *position = (*position).max(number);
        }
    }

    /// Returns the number of the last entry of a stream.
    #[must_use]
    pub fn of(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Bucket(bucket) => self.of_bucket(bucket),
            Stream::Disbandings => self.disbandings,
        }
    }

    /// Checks whether both cursors are from the same run of the store and the same life of the app. A cursor of an earlier
    /// run may be valid, too; only the store can judge that.
    #[must_use]
    pub fn is_in_life_of(&self, other: &FeedCursor) -> bool {
        (self.point.run, self.epoch) == (other.point.run, other.epoch)
    }

    /// Checks whether this cursor is in the life of the other one and not before it in any stream.
    #[must_use]
    pub fn has_reached(&self, other: &FeedCursor) -> bool {
        self.is_in_life_of(other)
            && self.disbandings >= other.disbandings
            && self.buckets.len() == other.buckets.len()
            && (0..).zip(&other.buckets).all(|(bucket, number)| self.of_bucket(bucket) >= *number)
    }

    /// Moves the cursor to where another one of the same life is, in each stream in which that is further.
    pub fn catch_up_with(&mut self, other: &FeedCursor) {
        self.disbandings = self.disbandings.max(other.disbandings);
        self.point.event = self.point.event.max(other.point.event);
        (0..).zip(&other.buckets).for_each(|(bucket, number)| self.raise(bucket, *number));
    }

    /// Returns the number of the last entry of a bucket.
    #[must_use]
    pub fn of_bucket(&self, bucket: u8) -> u64 {
        self.buckets.get(self.index(bucket)).copied().unwrap_or(0)
    }

    fn index(&self, bucket: u8) -> usize {
        usize::from(bucket).min(self.buckets.len().saturating_sub(1))
    }
}

/// Returns the id of an event. The time of the event, in milliseconds, is part of it, because a store that was restored
/// from a copy uses numbers again that the original has used after the copy was made.
pub(super) fn event_id(incarnation: u64, number: u64, at: u64) -> String {
    format!("{incarnation:016x}{number:x}-{at:x}")
}

/// Returns the id of the event that a chat group was disbanded.
pub(super) fn disbanding_id(incarnation: u64, number: u64, at: u64) -> String {
    format!("{incarnation:016x}x{number:x}-{at:x}")
}

/// Returns the number and the time of an event from its id, or `None` if the id is another's.
pub(super) fn event_number(id: &str, incarnation: u64) -> Option<(u64, u64)> {
    let prefix = format!("{incarnation:016x}");
    let (number, at) = id.strip_prefix(prefix.as_str())?.split_once('-')?;
    let (number, at) = (u64::from_str_radix(number, 16).ok()?, u64::from_str_radix(at, 16).ok()?);
    (event_id(incarnation, number, at) == id).then_some((number, at))
}
