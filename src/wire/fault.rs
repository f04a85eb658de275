//! What is wrong with a field of a request: its path, the rule and what was found.

use std::fmt::{self, Write};

use super::Node;
use crate::excerpt;

/// Where a value stands in a request, as a chain back to the root.
#[derive(Clone, Copy, Debug)]
pub enum Path<'p> {
    /// The request itself.
    Root,
    /// A member of an object.
    Member(&'p Path<'p>, &'p str),
    /// An element of an array, from 0.
    Element(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Path::Root => {}
            Path::Member(parent, name) => {
                parent.write(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Path::Element(parent, index) => {
                parent.write(out);
                write!(out, "[{index}]").expect("writing to a text cannot fail");
            }
        }
    }
}

/// Shows an excerpt: every path of a documented field fits, but the names in a path may be the caller's own.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut whole = String::new();
        self.write(&mut whole);
        write!(f, "{}", excerpt::plain(&whole))
    }
}

/// A field of a request that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{problem}", self.path, if self.path.is_empty() { "" } else { " " })]
pub struct Fault {
    /// Which field, as `MarkItem[2].ContactItem.Type`; empty for the request itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required field is not there.
    #[error("is missing{}", look_alike.as_ref().map_or(wanted.clone(), |name| format!("; did you mean it by {}?", excerpt::quoted(name))))]
    Missing {
        /// A field of the same object that looks like the missing one (decision 23).
        look_alike: Option<String>,
        /// What should have been there, as the end of the sentence.
        wanted: String,
    },
    /// A field has a value of another type, or outside its set of values.
    #[error("must be {expected}, found {found}")]
    Unfit {
        /// What it has to be.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A field breaks a rule of its value; the text says which.
    #[error("is refused: {0}")]
    Refused(String),
}

impl Fault {
    /// The value at `path` is not what it has to be.
    #[must_use]
    pub fn unfit(path: Path<'_>, expected: impl Into<String>, found: &Node<'_>) -> Fault {
        let problem = Problem::Unfit { expected: expected.into(), found: found.describe() };
        Fault { path: path.to_string(), problem }
    }

    /// The value at `path` breaks a rule that `reason` explains.
    #[must_use]
    pub fn refused(path: Path<'_>, reason: impl fmt::Display) -> Fault {
        Fault { path: path.to_string(), problem: Problem::Refused(reason.to_string()) }
    }
}
