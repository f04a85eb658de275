//! The file format of confold: one JSON object per line, for seeding, import and export.
//! `docs/interchange.md` describes it for users.

mod apply;
mod chat_group;
mod effect;
mod encoding;
mod export;
mod intake;
mod known;
mod line;
mod profile_reply;
mod recent_reply;
mod sessions;
mod terms;
mod unfinished_line;
mod values;
mod write;

pub use crate::{domain::LAST_SECOND, wire::UnknownFields};
pub use apply::{ApplyError, Applying, apply};
pub use chat_group::write_chat_group;
pub use effect::{ChangeCounts, Effect, Loss, PartCounts, Tally};
pub use encoding::uncompressed;
pub use export::Export;
pub use intake::{Intake, take_in};
pub use line::{Line, OrganizerLine, Refusable, ReplyPage, read_line, read_reply};
pub use profile_reply::{ProfileReply, read_profile_reply};
pub use recent_reply::{Cursor, RecentReply, read_recent_reply};
pub use sessions::{SessionItem, SessionsLine, write_sessions, write_sessions_of};
pub use terms::{ImportReport, ImportTerms, IntakeError, Purpose};
pub use write::{write_account, write_organizer, write_owner};
