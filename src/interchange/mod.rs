//! The file format of confold: one JSON object per line, for seeding, import and export.
//! `docs/interchange.md` describes it for users.

mod apply;
mod line;

pub use apply::{ApplyError, Applying, apply};
pub use line::{Line, OrganizerLine, read_line};
