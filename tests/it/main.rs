//! The whole server: the real binary over a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod beginners;
mod calling;
mod cli;
mod clients;
mod configuration;
mod conformance;
mod controls;
mod crash;
mod disband;
mod dockerfile;
mod example;
mod faults;
mod fields;
mod flags;
mod golden;
mod harness;
mod hostile;
mod hot_owners;
mod imports;
mod interchange;
mod ledger;
mod metrics;
mod misconfigured;
mod official_signature;
mod openapi;
mod packages;
mod patience;
mod pull;
mod recipes;
mod refusals;
mod reload;
mod renumbering;
mod robust;
mod rotation;
mod senders;
mod serving;
mod settings;
mod starting;
mod tidy;
mod tls;
mod tour;
mod traces;
mod transport;
mod unit;
