//! A borrowed tree of one JSON text.
//!
//! Requests are read through this tree rather than into typed structs, because their errors have
//! to name the field, the rule and what was found, and because number and text are interchangeable
//! in places. Strings without escapes are borrowed from the body.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::excerpt;

/// One JSON value. Objects keep their members in order; of a repeated key the last one counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// `null`, which for an optional field means that it is absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction or exponent that fits.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Reads one JSON text: a whole one, with nothing but white space behind it.
    ///
    /// # Errors
    /// What is wrong and where, in words of the JSON reader. More than `MOST_NODES` values are wrong, too.
    pub fn parse(text: &'a [u8]) -> Result<Node<'a>, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let node = Reading { left: &Cell::new(MOST_NODES) }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(node)
    }

    /// The member of this name, if this is an object that has it. `null` counts as absent.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Node<'a>> {
        let Node::Object(members) = self else { return None };
        let (_, node) = members.iter().rev().find(|(key, _)| key == name)?;
        (*node != Node::Null).then_some(node)
    }

    /// Whether this is an empty text, zero or an empty array: what a library sends for a field that nobody has set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Node::Text(text) => text.is_empty(),
            Node::Integer(number) => *number == 0,
            Node::Float(number) => *number == 0.0,
            Node::Array(items) => items.is_empty(),
            Node::Null | Node::Bool(_) | Node::Object(_) => false,
        }
    }

    /// What this is, in words for an error: kind, and the value where it is short.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Node::Null => "null".to_owned(),
            Node::Bool(value) => format!("the boolean {value}"),
            Node::Integer(value) => format!("the number {value}"),
            // Written out, the largest numbers have three hundred digits.
            Node::Float(value) if value.abs() >= 1e21 => format!("the number {value:e}"),
            Node::Float(value) => format!("the number {value}"),
            Node::Text(value) => match value.chars().nth(excerpt::CHARACTERS) {
                None => format!("the string {}", excerpt::quoted(value)),
                Some(_) => format!("the string {} of {} bytes", excerpt::quoted(value), value.len()),
            },
            Node::Array(items) => format!("an array of {}", items.len()),
            Node::Object(_) => "an object".to_owned(),
        }
    }
}

/// The most values in one text: an array of empty arrays takes many times its length in memory. The line of the
/// heaviest owner has some two millions.
pub(super) const MOST_NODES: u32 = 3_000_000;

/// Reads one value, of those that may still come.
#[derive(Clone, Copy)]
struct Reading<'b> {
    left: &'b Cell<u32>,
}

impl Reading<'_> {
    /// Whether so many values were read that the unused room of each list counts: of millions of lists with one
    /// element, each would have room for four. Giving it back costs more than it saves where there are few.
    fn are_many(self) -> bool {
        self.left.get() < MOST_NODES - 10_000
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| D::Error::custom(format_args!("more than {MOST_NODES} values")))?);
        deserializer.deserialize_any(self)
    }
}

/// A key or string, borrowed where the text allows it.
struct Borrowed<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Borrowed<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Integer(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "a number above 2^63 is out of every range anyway")]
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Node::Float(value as f64), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        if self.are_many() {
            items.shrink_to_fit();
        }
        Ok(Node::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Borrowed(key)) = access.next_key()? {
            members.push((key, access.next_value_seed(self)?));
        }
        if self.are_many() {
            members.shrink_to_fit();
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_borrowed_unless_escaped() {
        let node = Node::parse(br#"{"a":"plain","b":"\u6d4b"}"#).unwrap();
        assert!(matches!(node.member("a"), Some(Node::Text(Cow::Borrowed("plain")))));
        assert!(matches!(node.member("b"), Some(Node::Text(Cow::Owned(text))) if text == "测"));
    }

    #[test]
    fn the_last_of_a_repeated_key_counts_and_null_is_absent() {
        let node = Node::parse(br#"{"a":1,"a":2,"b":null}"#).unwrap();
        assert_eq!(node.member("a"), Some(&Node::Integer(2)));
        assert_eq!(node.member("b"), None);
    }

    #[test]
    fn only_whole_json_texts_are_read() {
        for bad in ["", "{", "{} x", "{}//", "{'a':1}", "\u{feff}{}", "[1,]", "nul", "{\"a\":01}"] {
            assert!(Node::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Node::parse(b"{\"a\":\"\xff\"}").is_err(), "invalid UTF-8");
        assert!(Node::parse("[".repeat(10_000).as_bytes()).is_err(), "nesting is bounded");
        assert_eq!(Node::parse(b" {} \n").unwrap(), Node::Object(Vec::new()));
        let many = |count: usize| Node::parse(format!("[{}0]", "[],".repeat(count - 2)).as_bytes()).map(drop);
        assert!(many(MOST_NODES as usize).is_ok());
        let refused = many(MOST_NODES as usize + 1).unwrap_err().to_string();
        assert!(
            refused.starts_with("more than 3000000 values"),
            "the number of values is bounded: {refused}"
        );
    }
}
