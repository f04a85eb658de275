//! A tree of JSON values that borrows from the text.
//!
//! Requests are read from this tree instead of into typed structs, because errors must contain the field, the rule
//! and what was found, and because some fields may be a number or a string. Strings without escapes are borrowed from
//! the body.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::excerpt;

/// One JSON value. Objects keep the order of their members; if a key is repeated, the last one counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// `null`, which is read as absent in optional fields.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction and exponent that fits into 64 bits.
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
    /// Parses one complete JSON text. Only white space may follow the value.
    ///
    /// # Errors
    /// Returns the error of the JSON parser, or an error if the text has more than `MOST_NODES` values.
    pub fn parse(text: &'a [u8]) -> Result<Node<'a>, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let node = Reading { left: &Cell::new(MOST_NODES) }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(node)
    }

    /// Returns a member, if this is an object that has it. `null` counts as absent.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Node<'a>> {
        let Node::Object(members) = self else { return None };
        let (_, node) = members.iter().rev().find(|(key, _)| key == name)?;
        (*node != Node::Null).then_some(node)
    }

    /// Returns whether this is an empty string, zero or an empty array. Libraries send these for fields that were not
    /// set.
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

    /// Returns the approximate length of the value as compact JSON, with strings as they are without escapes.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Node::Null => 4,
            Node::Bool(value) => {
                if *value {
                    4
                } else {
                    5
                }
            }
            Node::Integer(value) => value.to_string().len(),
            Node::Float(value) => value.to_string().len(),
            Node::Text(text) => text.len() + 2,
            Node::Array(items) => items.iter().map(|item| item.length() + 1).sum::<usize>().max(1) + 1,
            Node::Object(members) => {
                members.iter().map(|(name, node)| name.len() + node.length() + 4).sum::<usize>().max(1) + 1
            }
        }
    }

    /// Describes the value for an error: its kind, and its content if that is short.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Node::Null => "null".to_owned(),
            Node::Bool(value) => format!("the boolean {value}"),
            Node::Integer(value) => format!("the number {value}"),
            // Without the exponent, the largest numbers would have three hundred digits.
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

/// The maximum number of values in one text, because an array of empty arrays takes many times its length in memory.
/// The line of the largest possible owner has about two million.
pub(super) const MOST_NODES: u32 = 3_000_000;

/// Reads one value and counts it against the values that are left.
#[derive(Clone, Copy)]
struct Reading<'b> {
    left: &'b Cell<u32>,
}

impl Reading<'_> {
    /// Returns whether many values have been read already. From then on, lists give their unused capacity back: a list
    /// with one element has room for four. With few values, that would cost more than it saves.
    fn has_read_many(self) -> bool {
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

/// A key or string, borrowed from the text if it has no escapes.
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
        if self.has_read_many() {
            items.shrink_to_fit();
        }
        Ok(Node::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Borrowed(key)) = access.next_key()? {
            members.push((key, access.next_value_seed(self)?));
        }
        if self.has_read_many() {
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
