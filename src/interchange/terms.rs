//! The terms of an import, its report, and its errors.

use std::io;

use super::Tally;
use crate::{
    clock::Clock,
    domain::{AppId, Limits},
    store::{CallContext, StoreError},
    wire::UnknownFields,
};

/// The maximum number of faults that are listed.
const FAULTS: usize = 1_000;

/// What to do with the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Report why they would be refused, and change nothing.
    Check,
    /// Apply them up to the first bad one.
    Apply,
}

/// The conditions of an import or check.
#[derive(Clone, Debug)]
pub struct ImportTerms {
    /// What to do.
    pub purpose: Purpose,
    /// The limits that apply to owners.
    pub limits: Limits,
    /// The app that lines must be about; `None` allows all apps.
    pub only: Option<AppId>,
    /// What to do with unknown fields.
    pub unknown: UnknownFields,
    /// The clock. It is read for every line, because an import may take long.
    pub clock: Clock,
    /// The call that submits the lines; empty for confold's own tools.
    pub context: CallContext,
}

impl ImportTerms {
    /// Returns the terms for confold's own tools: all apps are allowed, and unknown fields are refused.
    #[must_use]
    pub fn of_tools(purpose: Purpose, limits: Limits, clock: Clock) -> ImportTerms {
        let context = CallContext::default();
        ImportTerms { purpose, limits, only: None, unknown: UnknownFields::Refused, clock, context }
    }
}

/// The result so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The number of lines, without blank ones.
    pub lines: u64,
    /// The number of lines that changed something.
    pub changed: u64,
    /// The first faults in the order of the lines, with line numbers counted from 1.
    pub faults: Vec<(u64, String)>,
    /// The number of further faults.
    pub more_faults: u64,
    /// What the lines changed, or would change.
    pub tally: Tally,
}

impl ImportReport {
    /// Adds a fault, unless too many are listed already.
    pub(super) fn note_fault(&mut self, number: u64, reason: String) {
        match self.faults.len() < FAULTS {
            true => self.faults.push((number, reason)),
            false => self.more_faults += 1,
        }
    }
}

/// Why an import or check could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The input could not be read.
    #[error("the lines cannot be read")]
    Input(#[from] io::Error),
    /// The store failed. Earlier lines may have been applied.
    #[error(transparent)]
    Store(#[from] StoreError),
}
