//! The rules of confold, as values and pure functions. They use no I/O, JSON, clock or randomness.
//!
//! Everything that one owner organized is one value, the [`Organizer`]. [`Edit::decide`] takes the owner's current
//! state, what the directory contains about the named conversations, and the time. It returns an outcome and, if
//! anything changed, the new state.

mod accounts;
mod calendar;
mod change;
mod chat_group;
mod chat_group_edit;
mod chat_group_events;
mod chat_group_rules;
mod chat_group_settings;
mod conversation;
mod directory;
mod draft;
mod edit;
mod event;
mod filter;
mod group;
mod grouping;
mod ids;
mod limits;
mod mark;
mod marking;
mod moment;
mod organizer;
mod posting;
mod profile;
mod receipt;
mod recent;
mod record;
mod rejection;
mod removal;
mod renumbering;
mod restoration;
mod restore;
mod reversal;
mod session;
mod sync;
mod terms;
mod touch;
mod trace;
mod undo;
mod view;

#[cfg(test)]
mod model_tests;

pub use calendar::{http_date, utc};
pub use change::{BeforeAndAfter, Change, Delta, OwnerState, RecordParts};
pub use chat_group::{
    ChatGroup, ChatGroupKind, ChatGroupProfile, InviteOption, JoinOption, Member, MemberDetails,
    ProfileDetails, Role,
};
pub use chat_group_edit::{
    ChatGroupChange, ChatGroupDelta, ChatGroupEdit, ChatGroupOutcome, ChatGroupRejection, ChatGroupState,
    ChatGroupWorld, Joining, WantedMembers,
};
pub use chat_group_events::{ChatGroupEvent, EXIT_SECONDS};
pub use chat_group_settings::{MemberPatch, ProfilePatch};
pub use conversation::Conversation;
pub use directory::{ChatGroupLife, DirectoryMode, DirectoryRules, Presence, World};
pub use edit::{Decision, Edit, Grouped, Outcome, WrongOutcome};
pub use event::{Event, EventContent, FeedEntry};
pub use filter::{ConversationKind, Filter, FilteredPage, filtered_page};
pub use group::{Group, GroupId, GroupName};
pub use grouping::MemberChange;
pub use ids::{AppId, ChatGroupId, LAST_SECOND, Owner, UnixSeconds, UserId};
pub use limits::{Limits, batch};
pub use mark::{CustomMark, MarkBit, StandardMark};
pub use marking::{MarkChange, StandardChange};
pub use moment::{Moment, MomentKind};
pub use organizer::{ChangeNumber, Counters, MAX_NUMBER, Organizer, Unsound};
pub use posting::{ChatGroupTraffic, LastMessage, Numbers, Post, Posting};
pub use profile::{Account, Profile, ProfileKind, ProfileTag, ProfileValue};
pub use receipt::Receipt;
pub use recent::{
    RecentItem, RecentPage, RecentRequest, RecentRules, RecentSession, keep_newest, recent_page,
};
pub use record::Record;
pub use rejection::Rejection;
pub use restoration::{Restoration, RestoredGroup, RestoredRecord};
pub use session::{KnownSessions, MOST_PINNED, Session, SessionChange, SessionChanged, SessionMarks};
pub use sync::{Changes, Known, Latest, changes};
pub use terms::{MembershipMode, Terms};
pub use touch::{ChatGroupTimes, SessionTimes, Touch};
pub use undo::{Field, Kept, KeptReason, Undo, Undone};
pub use view::{Found, Page, page, search};
