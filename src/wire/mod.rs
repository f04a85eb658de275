//! The JSON of the protocol: reads requests with errors that explain, and writes replies.
//!
//! No type of this module is a domain type or a stored row.

pub mod code;
mod contact;
mod envelope;
mod event;
mod fault;
mod fields;
mod json;
mod known;
mod names;
mod profile;
mod shape;
mod unreadable;

pub use contact::{
    CONTACT, ContactItem, TO_ACCOUNT, TO_GROUP_ID, TYPE, read_contact, write_group_items, write_list,
    write_record, write_session,
};
pub use envelope::{BaseFields, Envelope};
pub use event::{kind_of, write_changes, write_event, write_feed_entry};
pub use fault::{Fault, Path, Problem};
pub use fields::{Empties, Fields, FromNode, Value};
pub use json::Node;
pub use known::{UnknownFields, meant};
pub use names::nearest;
pub use profile::{
    PROFILE_ITEM, PROFILE_TAG, PROFILE_VALUE, ProfileFault, ProfileField, ProfileItem, ProfileProblem,
    read_profile_field, read_profile_item, read_profile_tag,
};
pub use shape::{Field, Shape, bare, may, must};
pub use unreadable::unreadable;
