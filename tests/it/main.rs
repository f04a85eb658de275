//! Tests of the whole server: the real binary over a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue should fail")]

mod beginners;
mod bodies;
mod calling;
mod cli;
mod configuration;
mod conformance;
mod controls;
mod crash;
mod disband;
mod dockerfile;
mod faults;
mod fields;
mod flags;
mod golden;
mod harness;
mod hostile;
mod hot_owners;
mod imports;
mod instructions;
mod interchange;
mod ledger;
mod metrics;
mod misconfigured;
mod openapi;
mod packages;
mod patience;
mod pull;
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
mod tools;
mod traces;
mod transport;
mod unit;
mod wait;
mod windows;
