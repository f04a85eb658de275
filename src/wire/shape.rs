//! Describes the objects of the protocol. Error texts about missing and invalid fields, the strict mode and
//! `/openapi.json` are made from these tables.

use std::borrow::Cow;

/// The type of a field, and the values that it allows.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything, because the field is described elsewhere or not at all.
    Any,
    /// A string.
    Text,
    /// One of the listed strings.
    Word(&'static [&'static str]),
    /// A whole number.
    Number,
    /// One of the listed whole numbers, each with its meaning.
    Choice(&'static [(i64, &'static str)]),
    /// An array.
    List(&'static Shape),
    /// An object with these fields.
    Object(&'static [Field]),
}

/// One field of a request, a reply or a file. Each field is one constant, which the list of its object contains and which
/// is used to read it. Hints, the strict mode, `/openapi.json` and the tables of the documents are made from it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name in JSON.
    pub name: &'static str,
    /// Whether the field must be present.
    pub required: bool,
    /// The type of the field.
    pub shape: Shape,
    /// The meaning; empty if the allowed values explain it.
    pub about: &'static str,
}

/// Describes a required field.
#[must_use]
pub const fn must(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, required: true, shape, about }
}

/// Describes an optional field.
#[must_use]
pub const fn may(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, required: false, shape, about }
}

/// Describes a field by its name alone.
#[must_use]
pub const fn bare(name: &'static str) -> Field {
    may(name, Shape::Any, "")
}

impl Field {
    /// Returns the meaning, as a sentence.
    #[must_use]
    pub fn about(&self) -> Cow<'static, str> {
        match self.shape {
            Shape::Choice(choices) if self.about.is_empty() => {
                let each: Vec<String> =
                    choices.iter().map(|(value, meaning)| format!("{value}: {meaning}")).collect();
                Cow::Owned(format!("{}.", each.join("; ")))
            }
            Shape::Word(words) if self.about.is_empty() => Cow::Owned(format!("{}.", either(words))),
            _ => Cow::Borrowed(self.about),
        }
    }

    /// Returns the name of the field and of all fields inside it.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        fn inside(shape: &Shape) -> Vec<&'static str> {
            match shape {
                Shape::List(of) => inside(of),
                Shape::Object(fields) => fields.iter().flat_map(Field::names).collect(),
                Shape::Any | Shape::Text | Shape::Word(_) | Shape::Number | Shape::Choice(_) => Vec::new(),
            }
        }
        let mut names = vec![self.name];
        names.extend(inside(&self.shape));
        names
    }

    /// Returns what should be present. The text follows `is missing` in an error.
    pub(super) fn wanted(&self) -> String {
        if matches!(self.shape, Shape::Any) {
            return String::new();
        }
        if let Some(allowed) = self.shape.allowed() {
            return format!("; it must be {allowed}");
        }
        let about = self.about.trim_end_matches('.');
        let mut letters = about.chars();
        let about = match letters.next() {
            Some(first) if !letters.as_str().starts_with(|c: char| c.is_ascii_uppercase()) => {
                format!("{}{}", first.to_ascii_lowercase(), letters.as_str())
            }
            _ => about.to_owned(),
        };
        format!(" ({}: {about})", self.shape.kind())
    }
}

impl Shape {
    /// Returns the allowed values if they are listed: `1 (add) or 2 (remove)`.
    pub(super) fn allowed(&self) -> Option<String> {
        match self {
            Shape::Choice(choices) => {
                let each: Vec<String> =
                    choices.iter().map(|(value, meaning)| format!("{value} ({meaning})")).collect();
                Some(either(&each))
            }
            Shape::Word(words) => Some(either(words)),
            _ => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Shape::Any => "a value",
            Shape::Text | Shape::Word(_) => "a string",
            Shape::Number | Shape::Choice(_) => "an integer",
            Shape::List(_) => "an array",
            Shape::Object(_) => "an object",
        }
    }
}

/// Joins items to `a, b or c`.
fn either<T: AsRef<str>>(items: &[T]) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        text.push_str(match index {
            0 => "",
            last if last + 1 == items.len() => " or ",
            _ => ", ",
        });
        text.push_str(item.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_explained_by_its_values_or_by_what_it_means() {
        let choice = must("A", Shape::Choice(&[(1, "add"), (2, "remove")]), "");
        assert_eq!(choice.about(), "1: add; 2: remove.");
        assert_eq!(choice.wanted(), "; it must be 1 (add) or 2 (remove)");
        let word = may("B", Shape::Word(&["x", "y", "z"]), "");
        assert_eq!((&*word.about(), &*word.wanted()), ("x, y or z.", "; it must be x, y or z"));
        assert_eq!(must("C", Shape::Text, "The user.").wanted(), " (a string: the user)");
        assert_eq!(must("D", Shape::List(&Shape::Number), "1 to 5.").wanted(), " (an array: 1 to 5)");
        assert_eq!(must("E", Shape::Number, "ID of it.").wanted(), " (an integer: ID of it)");
        assert_eq!(bare("F").wanted(), "");
    }
}
