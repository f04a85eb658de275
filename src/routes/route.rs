//! One method of a path, and what is known about it.

use super::handlers::{Admits, Handler};
use crate::wire::Field;

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Route {
    /// The method.
    pub method: &'static str,
    /// The path. Segments such as `{app}` stand for any text.
    pub path: &'static str,
    /// Who may call it.
    pub admits: Admits,
    /// The code that handles it.
    pub handler: Handler,
    /// Its `operationId` in `/openapi.json`.
    pub id: &'static str,
    /// A summary; empty if the id is clear enough.
    pub summary: &'static str,
    /// The query parameters.
    pub parameters: &'static [Property],
    /// The request body.
    pub takes: Takes,
    /// The responses, by status.
    pub answers: &'static [(u16, Reply)],
}

/// A parameter of a query string.
#[derive(Debug)]
pub(crate) struct Property {
    /// Its name.
    pub name: &'static str,
    /// Its JSON schema.
    pub schema: &'static str,
    /// Its purpose; empty if the name is clear enough.
    pub about: &'static str,
}

/// The request body of a route.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// Lines in confold's file format.
    Lines,
    /// An object with any fields.
    AnyObject,
    /// An object with exactly these fields, of which the given number is required, and the JSON schema of each
    /// field.
    Object(usize, &'static [Field], &'static [&'static str]),
}

/// The response of a route.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// Plain text, and its meaning.
    Text(&'static str),
    /// A JSON object.
    Object,
    /// The report of an import or check without faults.
    Report,
    /// The report of an import or check with faults.
    BadLines,
    /// Lines in confold's file format.
    Lines,
    /// The feed, in one of its two forms.
    Feed,
    /// A refusal, in the form of all other refusals.
    Refused,
}
