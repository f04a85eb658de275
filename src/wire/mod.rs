//! The JSON on the network: reading requests with errors that explain, and writing replies.
//!
//! Wire names appear here and in `api`, exactly as on the wire, and nowhere else. No type of this
//! module is a domain type or a stored row.

pub mod code;
mod contact;
mod envelope;
mod fields;
mod json;

pub use contact::{ContactItem, read_contact, write_group_items, write_list, write_record};
pub use envelope::{BaseFields, Envelope};
pub use fields::{Fault, Fields, FromNode, OBJECTS, Path, Problem, Value, nearest};
pub use json::Node;
