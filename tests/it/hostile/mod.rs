//! Attacks on the real binary. They assert bounds and states, never how long something took.

mod counters;
mod secrets;
mod signatures;
mod threads;
