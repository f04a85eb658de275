//! The handling of a request from its parsed head to its answer, independent of any protocol: HTTP/1.1, HTTP/2 and
//! tests all create a [`Head`] and get an [`Answer`] from the same [`Pipeline`].
//!
//! Answers on `/v4/…` and `/` always have status 200, with the outcome in the body. All other paths use ordinary
//! statuses (decision 22).

mod access;
mod answer;
mod body;
mod callbacks;
mod controls;
mod encoding;
mod exchange;
mod export;
mod extensions;
mod faults;
mod feed;
mod feed_requests;
mod head;
mod health;
mod id;
mod lines;
mod memory;
mod observed;
mod observers;
mod origin;
mod own;
mod permits;
mod pipeline;
#[cfg(test)]
mod pipeline_tests;
mod query;
mod rate;
mod rotation;
mod small_bodies;
mod state;
mod transfer;
mod transfer_refusal;
mod webhooks;

pub use answer::{
    ALLOWED_HEADERS, Answer, Content, Cut, JSON, Pieces, REQUEST_ID, Rest, SendingTime, Status,
};
pub use body::drain;
pub use exchange::{Bodies, Exchange, Failure, Observer, Subject};
pub use feed::Feed;
pub use head::{Body, Broken, Connection, Head, Header, Headers};
pub use origin::{AllowedHosts, is_host_name};
pub use pipeline::Pipeline;
pub use rate::RateLimit;
pub use small_bodies::SmallBodies;
pub use state::{CallLimits, FEED, INTERCHANGE, Options};
