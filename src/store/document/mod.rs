//! The stored form of an organizer, for all durable stores: one versioned document per owner, divided into chunks.
//!
//! Chunk 0 is the *head*. It contains the counters, the groups, a list of the other chunks, and the *tail*, which
//! consists of the records that changed last. A changed record always gets the highest number, so it is appended to
//! the tail. If the tail grows beyond [`SLOTS`] records, its oldest ones are sealed into a chunk of their own. A
//! sealed chunk is never rewritten. If one of its records changes, the head's bitmap of valid slots is updated
//! instead. Therefore, an ordinary owner is one small row, and changing a few records of a large owner rewrites
//! little more than the head. Chunks with few records left are merged with their neighbours, which limits the number
//! of chunks.

//!
//! Each event is a document of its own.

mod encoding;
mod event;
mod layout;
mod profile;
mod receipt;

pub(super) use encoding::decode_members;
pub(super) use event::{EventHeader, StoredEvent, decode_event, decode_header, encode_erased, encode_event};
pub(super) use layout::{ChunkEdit, LayoutDefect, Stored};
pub(super) use profile::{decode_account, encode_profile};
pub(super) use receipt::{decode_receipt, encode_receipt};

/// The maximum number of records in a chunk, and in the tail.
const SLOTS: usize = 16;
