//! What a store keeps about webhooks: how far each of their lanes has come, and the events that were given up.

use std::sync::Arc;

use super::{Life, Stream};
use crate::domain::AppId;

/// The maximum number of given up events that a store keeps for each destination.
pub const MAX_GIVEN_UP: usize = 10_000;

/// A receiver of the events of an app.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationId {
    /// The app.
    pub app: AppId,
    /// The name, which is unique within the app.
    pub name: Arc<str>,
}

/// How far a lane has come. A lane carries the events of one stream of the feed to one destination, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The stream.
    pub stream: Stream,
    /// The number of the last event that was delivered or given up.
    pub number: u64,
    /// How often the next event was sent without success.
    pub attempts: u32,
    /// When to send it again, in milliseconds since 1970; 0 for at once.
    pub due: u64,
}

/// What is stored about a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryState {
    /// The life of the app.
    pub life: Life,
    /// Whether the receiver refused to be sent anything more.
    pub is_off: bool,
    /// All lanes.
    pub lanes: Vec<Lane>,
    /// The number of events that were given up.
    pub given_up: usize,
}

/// An event that a destination refused until it was given up. Its content is not copied, so that deleting an account
/// erases it everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The stream of the event.
    pub stream: Stream,
    /// The number of the event.
    pub number: u64,
    /// The id of the event.
    pub event: String,
    /// When it was given up, in milliseconds since 1970.
    pub at: u64,
    /// Why it was refused the last time.
    pub reason: String,
}

/// A part of the list of events that were given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUpPart {
    /// The life of the app.
    pub life: Life,
    /// The events with their places in the list, oldest first.
    pub events: Vec<(u64, GivenUp)>,
}

/// What has happened to a destination.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The life of the app in which it happened. Lanes and given up events of another life are ignored.
    pub life: Life,
    /// The lanes that have changed.
    pub lanes: Vec<Lane>,
    /// Events that were given up. The oldest ones of the list make room for them if it is full.
    pub given_up: Vec<GivenUp>,
    /// Given up events that can be forgotten: their places, and their numbers, because a place may be used again.
    pub settled: Vec<(u64, u64)>,
    /// Whether the destination is off from now on.
    pub off: Option<bool>,
}
