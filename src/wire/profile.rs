//! Reads and writes `ProfileItem`: one field of a user's profile.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Fault, Field, Fields, Node, Shape, Value, must};
use crate::domain::{ProfileKind, ProfileTag, ProfileValue};

/// The tag of the field.
pub const PROFILE_TAG: Field = must("Tag", Shape::Text, "The tag of the field, such as Tag_Profile_IM_Nick.");
/// The value of the field.
pub const PROFILE_VALUE: Field = must(
    "Value",
    Shape::Any,
    "A string or a number, depending on the tag; an empty string clears the field.",
);
/// `{Tag, Value}`.
pub const PROFILE_ITEM: Shape = Shape::Object(&[PROFILE_TAG, PROFILE_VALUE]);

/// Why a field of a profile is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileProblem {
    /// A part of the request is missing or has the wrong form.
    Form,
    /// There is no such tag.
    Tag,
    /// The string is longer than 500 bytes.
    Length,
    /// The field cannot have this value.
    Value,
    /// The value has the wrong type.
    Type,
}

/// A problem with a field of a profile, and its description.
#[derive(Clone, Debug)]
pub struct ProfileFault {
    /// The kind of problem.
    pub problem: ProfileProblem,
    /// The path, the rule and what was found.
    pub fault: Fault,
}

impl From<Fault> for ProfileFault {
    fn from(fault: Fault) -> ProfileFault {
        ProfileFault { problem: ProfileProblem::Form, fault }
    }
}

/// A field of a profile and its new value; `None` clears it.
pub type ProfileField = (ProfileTag, Option<ProfileValue>);

/// Reads `{Tag, Value}`.
///
/// # Errors
/// Returns a [`ProfileFault`] if the tag does not exist or cannot have the value.
pub fn read_profile_item(value: Value<'_>) -> Result<ProfileField, ProfileFault> {
    read_profile_field(value.described(&PROFILE_ITEM).fields()?)
}

/// Reads `{Tag, Value}` from the members of an object.
///
/// # Errors
/// Returns a [`ProfileFault`] if the tag does not exist or cannot have the value.
pub fn read_profile_field(fields: Fields<'_>) -> Result<ProfileField, ProfileFault> {
    let tag = fields.required(&PROFILE_TAG, read_profile_tag)?;
    let value = fields.required(&PROFILE_VALUE, |value| read_value(&tag, value))?;
    Ok((tag, value))
}

/// Reads a tag.
///
/// # Errors
/// Returns a [`ProfileFault`] if the tag does not exist.
pub fn read_profile_tag(value: Value<'_>) -> Result<ProfileTag, ProfileFault> {
    ProfileTag::parse(value.read()?).ok_or_else(|| {
        let expected = "a tag such as Tag_Profile_IM_Nick, or Tag_Profile_Custom_ followed by 1 to 8 letters";
        ProfileFault { problem: ProfileProblem::Tag, fault: Fault::unfit(value.path, expected, value.node) }
    })
}

fn read_value(tag: &ProfileTag, value: Value<'_>) -> Result<Option<ProfileValue>, ProfileFault> {
    let unfit = |problem, expected: String| {
        Err(ProfileFault { problem, fault: Fault::unfit(value.path, expected, value.node) })
    };
    let whose = tag.name();
    match (tag.kind(), value.node) {
        // An empty string clears the field (decision 31).
        (_, Node::Text(text)) if text.is_empty() => Ok(None),
        (ProfileKind::Text(limit), Node::Text(text)) => match text.len() {
            bytes if bytes <= limit => Ok(Some(ProfileValue::Text((&**text).into()))),
            bytes => {
                let problem = if limit < 500 { ProfileProblem::Value } else { ProfileProblem::Length };
                let rule = format!("{whose} may have at most {limit} bytes, found {bytes}");
                Err(ProfileFault { problem, fault: Fault::refused(value.path, rule) })
            }
        },
        (ProfileKind::Word(words), Node::Text(text)) => match words.iter().find(|word| *word == text) {
            Some(word) => Ok(Some(ProfileValue::Text((*word).into()))),
            None => unfit(ProfileProblem::Value, format!("one of {} for {whose}", words.join(", "))),
        },
        (ProfileKind::Text(_) | ProfileKind::Word(_), _) => {
            unfit(ProfileProblem::Type, format!("a string for {whose}"))
        }
        (ProfileKind::Number, node) => match number(node) {
            Some(number) => match u32::try_from(number) {
                Ok(number) => Ok(Some(ProfileValue::Number(number))),
                Err(_) => {
                    unfit(ProfileProblem::Value, format!("a number from 0 to {} for {whose}", u32::MAX))
                }
            },
            // Some typed clients can send only strings, so a number may be written as one.
            None => unfit(ProfileProblem::Type, format!("a whole number that is not negative for {whose}")),
        },
    }
}

/// Returns a whole number that is not negative; those that are too large become the largest one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is not negative, and a cast limits one that is too large"
)]
fn number(node: &Node<'_>) -> Option<u64> {
    match node {
        Node::Integer(number) => u64::try_from(*number).ok(),
        Node::Float(number) if number.fract() == 0.0 && *number >= 0.0 => Some(*number as u64),
        Node::Text(text) if text.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(text.parse().unwrap_or(u64::MAX))
        }
        _ => None,
    }
}

/// A field of a profile as it is written.
#[derive(Debug)]
pub struct ProfileItem<'a>(pub &'a ProfileTag, pub &'a ProfileValue);

impl Serialize for ProfileItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ProfileItem(tag, value) = self;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(PROFILE_TAG.name, &tag.name())?;
        match value {
            ProfileValue::Text(text) => map.serialize_entry(PROFILE_VALUE.name, text)?,
            ProfileValue::Number(number) => map.serialize_entry(PROFILE_VALUE.name, number)?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(item: &str) -> Result<Option<ProfileValue>, ProfileProblem> {
        let node = Node::parse(item.as_bytes()).unwrap();
        let fields = Fields::of_request(&node).unwrap().described(&[PROFILE_TAG, PROFILE_VALUE]);
        read_profile_field(fields).map(|(_, value)| value).map_err(|fault| fault.problem)
    }

    #[test]
    fn each_tag_has_its_values() {
        use ProfileProblem::{Form, Length, Tag, Type, Value};
        let text = |text: &str| Ok(Some(ProfileValue::Text(text.into())));
        let number = |number| Ok(Some(ProfileValue::Number(number)));
        let long = format!("\"{}\"", "x".repeat(501));
        let longest = "y".repeat(500);
        for (tag, value, expected) in [
            ("IM_Nick", "\"Ada\"", text("Ada")),
            ("IM_Nick", &format!("\"{longest}\""), text(&longest)),
            ("IM_Nick", "\"\"", Ok(None)),
            ("IM_Nick", "7", Err(Type)),
            ("IM_Nick", &long, Err(Length)),
            ("Custom_Test", &long, Err(Length)),
            ("Custom_Test", "1", Err(Type)),
            ("IM_Location", "\"0123456789abcdef\"", text("0123456789abcdef")),
            ("IM_Location", "\"0123456789abcdefg\"", Err(Value)),
            ("IM_Gender", "\"Gender_Type_Male\"", text("Gender_Type_Male")),
            ("IM_Gender", "\"male\"", Err(Value)),
            ("IM_Gender", "1", Err(Type)),
            ("IM_Level", "0", number(0)),
            ("IM_Level", "3.0", number(3)),
            ("IM_BirthDay", "\"19900101\"", number(19_900_101)),
            ("IM_Level", "4294967295", number(u32::MAX)),
            ("IM_Level", "4294967296", Err(Value)),
            ("IM_Level", "1e30", Err(Value)),
            ("IM_Level", "\"99999999999999999999999\"", Err(Value)),
            ("IM_Level", "-1", Err(Type)),
            ("IM_Level", "1.5", Err(Type)),
            ("IM_Level", "\"3x\"", Err(Type)),
            ("IM_Level", "[]", Err(Type)),
            ("IM_Level", "null", Err(Form)),
            ("IM_Birthday", "1", Err(Tag)),
        ] {
            let item = format!(r#"{{"Tag":"Tag_Profile_{tag}","Value":{value}}}"#);
            assert_eq!(read(&item), expected, "{item}");
        }
        assert_eq!(read(r#"{"Value":1}"#), Err(Form));
        assert_eq!(read(r#"{"Tag":1,"Value":1}"#), Err(Form));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (tag, value) in [
            (ProfileTag::Level, ProfileValue::Number(7)),
            (ProfileTag::Custom("Test".into()), ProfileValue::Text("\"x\"".into())),
        ] {
            let written = serde_json::to_string(&ProfileItem(&tag, &value)).unwrap();
            assert_eq!(read(&written), Ok(Some(value)), "{written}");
        }
    }
}
