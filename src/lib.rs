//! confold: conversation groups and marks, wire-compatible with Tencent Chat's `v4/recentcontact`.
//!
//! Words used throughout: an **owner** is a user of an app, named `From_Account` in a request; a
//! **conversation** is his with another user or in a **chat group**; a **conversation group** (or
//! group) is a named folder of his; a **mark** is one of 64 bits or a text on a conversation; a
//! **record** is what he keeps about one conversation; his **organizer** is all of it.
//!
//! Reading order: [`domain`] (the rules), [`wire`] (the JSON), [`auth`] (who calls), [`store`]
//! (where it is kept), [`api`] (one file per command), [`call`] (what happens to a request),
//! [`http`] (connections), [`compose`] (how a server is put together), [`cli`].

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
pub mod openapi;
pub mod output;
pub mod routes;
pub mod server;
pub mod signals;
pub mod traces;

pub mod address;
pub mod clock;
pub mod display;
pub mod excerpt;
pub mod listen;
pub mod masking;
pub mod private;
pub mod random;
pub mod resolver;
pub mod secret_file;
pub mod secret_word;
pub mod text_file;
pub mod unfinished;
pub mod written_path;

pub mod cli;

#[cfg(test)]
mod ledger_tests;
