//! An error in a field of a request: its path, the rule and what was found.

use std::fmt::{self, Write};

use super::Node;
use crate::excerpt;

/// The position of a value in a request, as a linked list that ends at the root.
#[derive(Clone, Copy, Debug)]
pub enum Path<'p> {
    /// The request itself.
    Root,
    /// A member of the object at the first path.
    Member(&'p Path<'p>, &'p str),
    /// An element of the array at the first path, counted from 0.
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
                write!(out, "[{index}]").expect("writing to a string cannot fail");
            }
        }
    }
}

/// Displays at most an excerpt: the paths of documented fields always fit, but callers can choose longer names.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut whole = String::new();
        self.write(&mut whole);
        write!(f, "{}", excerpt::plain(&whole))
    }
}

/// An error in a field of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{problem}", self.path, if self.path.is_empty() { "" } else { " " })]
pub struct Fault {
    /// The path of the field, such as `MarkItem[2].ContactItem.Type`; empty for the request itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required field is missing.
    #[error("is missing{}", look_alike.as_ref().map_or(wanted.clone(), |name| format!("; is {} meant to be this field?", excerpt::quoted(name))))]
    Missing {
        /// A field of the same object that looks like the missing one (decision 23).
        look_alike: Option<String>,
        /// What should be present, worded as the end of the sentence.
        wanted: String,
    },
    /// A field has a value of another type, or one that is not allowed.
    #[error("must be {expected}, found {found}")]
    Unfit {
        /// What the value must be.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A field breaks a rule, which the text explains.
    #[error("is refused: {0}")]
    Refused(String),
}

impl Fault {
    /// Creates the fault for a value that is not what it must be.
    #[must_use]
    pub fn unfit(path: Path<'_>, expected: impl Into<String>, found: &Node<'_>) -> Fault {
        let problem = Problem::Unfit { expected: expected.into(), found: found.describe() };
        Fault { path: path.to_string(), problem }
    }

    /// Creates the fault for a value that breaks a rule. `reason` explains the rule.
    #[must_use]
    pub fn refused(path: Path<'_>, reason: impl fmt::Display) -> Fault {
        Fault { path: path.to_string(), problem: Problem::Refused(reason.to_string()) }
    }
}
