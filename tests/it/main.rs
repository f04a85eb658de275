//! The whole server: the real binary over a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod beginners;
mod cli;
mod conformance;
mod crash;
mod disband;
mod faults;
mod golden;
mod harness;
mod hot_owners;
mod ledger;
mod official_signature;
mod settings;
mod tidy;
mod transport;
