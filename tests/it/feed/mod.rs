//! The feed of an app: order, completeness, gaps, rights, and what slow readers cost.

mod copy;
mod crowds;
mod reader;
mod rights;
mod streams;

pub(crate) use reader::{get, poll};
