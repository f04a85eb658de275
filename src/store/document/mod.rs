//! The stored form of an organizer, shared by every durable store: one versioned document per
//! owner, in chunks.
//!
//! Chunk 0, the *head*, holds counters, groups, a list of the other chunks, and the *tail*: the
//! records changed last. Since a changed record always takes the highest number, it is always
//! appended; when the tail outgrows [`SLOTS`] records, its oldest ones are sealed into a chunk of
//! their own, which is never written again – a record that changes later is only struck from the
//! bitmap of living slots in the head. So an ordinary owner is one small row, and a change of a
//! few records of a big one rewrites little more than the head. Chunks thinned out are merged with
//! their neighbours, so that there are never many more than needed.

mod encoding;
mod layout;

pub(super) use encoding::decode_members;
pub(super) use layout::{ChunkEdit, LayoutDefect, Stored};

/// Records per chunk, and in the tail.
const SLOTS: usize = 16;
