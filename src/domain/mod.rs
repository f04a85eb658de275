//! The rules, and nothing else: pure values and plain functions, without I/O, JSON, clock or randomness.
//!
//! Everything one user keeps is one small value, the [`Organizer`]. A command is a function of it:
//! it takes the organizer as it is, what the directory says about the conversations named, and the
//! time, and gives back an outcome and – if anything really changed – the organizer as it shall be.

mod accounts;
mod calendar;
mod change;
mod chat_group;
mod chat_group_edit;
mod chat_group_rules;
mod conversation;
mod directory;
mod draft;
mod edit;
mod group;
mod grouping;
mod ids;
mod limits;
mod mark;
mod marking;
mod organizer;
mod record;
mod rejection;
mod removal;
mod renumbering;
mod restore;
mod terms;
mod view;

#[cfg(test)]
mod model_tests;

pub use calendar::utc;
pub use change::{BeforeAndAfter, Change, Delta, OwnerState, RecordParts};
pub use chat_group::{ChatGroup, ChatGroupKind, ChatGroupProfile, JoinOption, Member, Role};
pub use chat_group_edit::{
    ChatGroupChange, ChatGroupDelta, ChatGroupEdit, ChatGroupOutcome, ChatGroupRejection, ChatGroupState,
    ChatGroupWorld, Joining, WantedMembers,
};
pub use conversation::Conversation;
pub use directory::{Account, ChatGroupLife, Directory, DirectoryMode, Presence, World};
pub use edit::{Decision, Edit, Grouped, Outcome, WrongOutcome};
pub use group::{Group, GroupId, GroupName};
pub use grouping::MemberChange;
pub use ids::{AppId, ChatGroupId, LAST_SECOND, Owner, UnixSeconds, UserId};
pub use limits::{Limits, batch};
pub use mark::{CustomMark, MarkBit, StandardMark};
pub use marking::{MarkChange, StandardChange};
pub use organizer::{ChangeNumber, Counters, MAX_NUMBER, Organizer, Unsound};
pub use record::Record;
pub use rejection::Rejection;
pub use restore::{Restoration, RestoredGroup, RestoredRecord};
pub use terms::{MembershipMode, Terms};
pub use view::{Found, Page, page, search};
