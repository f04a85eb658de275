//! The feed of an app as the body of an answer, and what all its readers share.

mod batch;
mod body;
mod cursor;
mod form;
mod hub;
mod pace;
mod ring;

pub(super) use body::FeedBody;
pub(super) use cursor::decode as decode_cursor;
pub(super) use form::Form;
pub use hub::Feed;
