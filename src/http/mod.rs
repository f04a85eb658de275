//! The service over HTTP/1.1 and HTTP/2, with or without TLS: connections, bytes, and the conversion between hyper's
//! requests and the pipeline of calls.

mod activity;
mod connection;
mod in_flight;
mod limits;
mod listener;
mod outgoing;
mod overload;
mod patience;
mod place;
mod registry;
mod service;
mod socket;
mod source;
mod sources;
mod stream;
mod table;
mod task;
mod unparsed;
mod unsent;

pub use limits::HttpLimits;
pub use listener::serve;
pub use patience::Patience;
pub use registry::ConnectionLimits;
pub use service::HttpService;
pub use socket::{Bound, Listening};
pub use sources::Proxies;
pub use unparsed::SPEAKS_TLS;
