//! Events as stores return them: the place of an owner in time, the events of one owner, and the feed of an app.

use super::StoreError;
use crate::domain::{
    AppId, ChangeNumber, Conversation, Counters, Event, FeedEntry, Organizer, Owner, OwnerState,
};

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

/// A place in the life of an owner (decision 21). Two places are comparable if all parts but `version` and
/// `disbandings` are equal; otherwise, one of them is from another life, and the owner has to be read anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The incarnation of the store.
    pub incarnation: u64,
    /// The number of resets of the app or of owners in it.
    pub epoch: u32,
    /// The number of renumberings of the owner.
    pub renumberings: u32,
    /// The owner's version.
    pub version: ChangeNumber,
    /// The number of chat groups of the app that have been disbanded.
    pub disbandings: u64,
}

impl Place {
    /// Checks whether both places are in the same life of the owner.
    #[must_use]
    pub fn is_in_life_of(&self, other: &Place) -> bool {
        (self.incarnation, self.epoch, self.renumberings)
            == (other.incarnation, other.epoch, other.renumberings)
    }
}

/// Which events of an owner to read.
#[derive(Clone, Debug, Default)]
pub struct WantedEvents {
    /// The highest version whose events are not wanted; `None` wants all events.
    pub after: Option<ChangeNumber>,
    /// The id of the event before which to begin; `None` begins with the latest.
    pub before: Option<String>,
    /// The maximum number of events.
    pub most: usize,
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
    /// Whether these are all wanted events. Otherwise there are more than `most`, or older ones have been removed.
    pub is_complete: bool,
    /// Whether older events exist beyond the last returned one.
    pub has_more: bool,
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
    /// The incarnation of the store.
    pub incarnation: u64,
    /// The number of resets in the app.
    pub epoch: u32,
    /// The number of the last disbanding.
    pub disbandings: u64,
    /// The number of the last event in each bucket.
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
    /// The number within the stream, beginning with 1.
    pub number: u64,
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
    /// Whether entries after the given cursor are missing, because they were removed or because the cursor is from
    /// another life of the store or app.
    pub has_gap: bool,
    /// Whether there are more entries.
    pub has_more: bool,
}

impl FeedCursor {
    /// Moves the cursor past an entry.
    pub fn advance(&mut self, entry: &Placed) {
        match entry.stream {
            Stream::Bucket(bucket) => {
                let bucket = usize::from(bucket);
                if self.buckets.len() <= bucket {
                    self.buckets.resize(bucket + 1, 0);
                }
                self.buckets[bucket] = self.buckets[bucket].max(entry.number);
            }
            Stream::Disbandings => self.disbandings = self.disbandings.max(entry.number),
        }
    }

    /// Returns the number of the last entry of a bucket.
    #[must_use]
    pub fn of_bucket(&self, bucket: u8) -> u64 {
        self.buckets.get(usize::from(bucket)).copied().unwrap_or(0)
    }
}

/// Returns the id of an event.
pub(super) fn event_id(incarnation: u64, bucket: u8, number: u64) -> String {
    format!("{incarnation:016x}{bucket:02x}{number:x}")
}

/// Returns the id of the event of a disbanding. No bucket has the number 255.
pub(super) fn disbanding_id(incarnation: u64, number: u64) -> String {
    event_id(incarnation, u8::MAX, number)
}

/// Returns the number of an event of this bucket from its id, or `None` if the id is another's.
pub(super) fn event_number(id: &str, incarnation: u64, bucket: u8) -> Option<u64> {
    let prefix = format!("{incarnation:016x}{bucket:02x}");
    let number = u64::from_str_radix(id.strip_prefix(prefix.as_str())?, 16).ok()?;
    (event_id(incarnation, bucket, number) == id).then_some(number)
}

/// The lives of an app, which places and cursors are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lives {
    pub(super) incarnation: u64,
    pub(super) epoch: u32,
    pub(super) disbandings: u64,
}

impl Lives {
    /// Returns the place of an owner with this organizer.
    pub(super) fn place_of(self, organizer: &Organizer) -> Place {
        let Lives { incarnation, epoch, disbandings } = self;
        let Counters { version, renumberings, .. } = *organizer.counters();
        Place { incarnation, epoch, renumberings, version, disbandings }
    }
}

/// Compares a write's expected place with the owner's current one. Other disbandings do not matter than those of chat
/// groups that the owner has a record about, which are in `dead`.
///
/// # Errors
/// Returns [`StoreError::Elsewhere`] if they differ.
pub(super) fn check_place(
    expected: &Place,
    current: Place,
    dead: &[(Conversation, u64)],
) -> Result<(), StoreError> {
    let is_there = expected.is_in_life_of(&current)
        && expected.version == current.version
        && dead.iter().all(|(_, disbanding)| *disbanding <= expected.disbandings);
    if is_there { Ok(()) } else { Err(StoreError::Elsewhere(current)) }
}

/// A bucket of an app.
pub(super) type Range = (AppId, u8);
