//! confold: conversation groups and marks, wire-compatible with Tencent Chat's `v4/recentcontact`.
//!
//! Terms: an **owner** is a user of an app, given as `From_Account` in a request. A **conversation** of an owner is
//! with another user or in a **chat group**. A **conversation group** (or group) is a named folder of conversations.
//! A **mark** of a conversation is one of 64 bits, or a string. A **record** is everything that an owner keeps about
//! one conversation. The **organizer** of an owner contains all groups and records.
//!
//! Reading order: [`domain`] (the rules), [`wire`] (the JSON), [`auth`] (authentication), [`store`] (persistence),
//! [`api`] (one file per command), [`call`] (the pipeline of a request), [`http`] (connections), [`compose`] (the
//! assembly of a server), [`cli`].

pub mod domain;

pub mod auth;
pub mod store;
pub mod tls;
pub mod wire;

pub mod api;
pub mod background;
pub mod call;
pub mod compose;
pub mod config;
pub mod controls;
pub mod http;
pub mod interchange;
pub mod log;
pub mod metrics;
pub mod opaque;
pub mod openapi;
pub mod output;
mod routes;
pub mod server;
pub mod signals;
pub mod traces;
pub mod webhooks;

pub mod address;
pub mod clock;
pub mod display;
pub mod excerpt;
pub mod listen;
pub mod log_lines;
pub mod masking;
pub mod private;
pub mod random;
pub mod resolver;
pub mod secret_file;
pub mod secret_word;
pub mod text_file;
pub mod unfinished;
pub mod vendor_sign;
pub mod written_path;

pub mod cli;

#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod testing;
