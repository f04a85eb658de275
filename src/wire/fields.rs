//! Typed access to the members of a request's objects, with faults that name path, rule and value.

use std::fmt::{self, Write};

use super::Node;
use crate::excerpt;

/// The fields of the objects of requests, an object a line. A field that is known beside the missing
/// one is not mistaken for it.
pub const OBJECTS: &[&[&str]] = &[
    &[
        "From_Account",
        "StartIndex",
        "ContactItem",
        "GroupContactItem",
        "GroupName",
        "MarkItem",
        "UpdateType",
        "UpdateGroup",
    ],
    &["UpdateGroupType", "OldGroupName", "NewGroupName", "ContactUpdateItem"],
    &["ContactOptType", "ContactItem"],
    &["OptType", "ContactItem", "SetMark", "ClearMark", "CustomMark"],
    &["Type", "To_Account", "ToGroupId"],
    &["UserID", "Identifier", "Nick", "FaceUrl"],
    &["Accounts", "AccountList", "CheckItem", "DeleteItem"],
    &[
        "Type",
        "Name",
        "Owner_Account",
        "GroupId",
        "Introduction",
        "Notification",
        "FaceUrl",
        "MaxMemberCount",
        "ApplyJoinOption",
        "CreateTime",
        "MemberList",
    ],
    &["GroupIdList", "ResponseFilter"],
    &["GroupId", "MemberList", "Silence"],
    &["GroupId", "MemberToDel_Account", "Silence", "Reason"],
    &["GroupId", "User_Account"],
    &["Member_Account", "Role"],
    &["Limit", "Next", "GroupType"],
];

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
    #[error("is missing{}", look_alike.as_ref().map(|name| format!("; did you mean it by {}?", excerpt::quoted(name))).unwrap_or_default())]
    Missing {
        /// A field of the same object that looks like the missing one (decision 23).
        look_alike: Option<String>,
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

/// The members of one object of a request.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    node: &'n Node<'n>,
    /// Where the object stands.
    pub path: Path<'n>,
}

/// One value of a request and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Value<'n> {
    /// The value.
    pub node: &'n Node<'n>,
    /// Where it stands.
    pub path: Path<'n>,
}

/// A type that a JSON value can be read as.
pub trait FromNode<'n>: Sized {
    /// What has to be there, in words: `a string`.
    const EXPECTED: &'static str;
    /// The value, if the node is one.
    fn from_node(node: &'n Node<'n>) -> Option<Self>;
}

impl<'n> FromNode<'n> for &'n str {
    const EXPECTED: &'static str = "a string";
    fn from_node(node: &'n Node<'n>) -> Option<Self> {
        if let Node::Text(text) = node { Some(text) } else { None }
    }
}

impl<'n> FromNode<'n> for &'n [Node<'n>] {
    const EXPECTED: &'static str = "an array";
    fn from_node(node: &'n Node<'n>) -> Option<Self> {
        if let Node::Array(items) = node { Some(items) } else { None }
    }
}

impl<'n> FromNode<'n> for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_node(node: &'n Node<'n>) -> Option<Self> {
        if let Node::Bool(value) = node { Some(*value) } else { None }
    }
}

/// Integers may come as integral floats and as decimal strings: the official tables type the same
/// field differently on different pages (ambiguity A2).
impl<'n> FromNode<'n> for i64 {
    const EXPECTED: &'static str = "an integer";
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
    fn from_node(node: &'n Node<'n>) -> Option<Self> {
        match node {
            Node::Integer(value) => Some(*value),
            Node::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
            Node::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<'n> Value<'n> {
    /// The value as `T`.
    ///
    /// # Errors
    /// A [`Fault`] when it is of another type.
    pub fn read<T: FromNode<'n>>(self) -> Result<T, Fault> {
        T::from_node(self.node).ok_or_else(|| Fault::unfit(self.path, T::EXPECTED, self.node))
    }

    /// The value as an object.
    ///
    /// # Errors
    /// A [`Fault`] when it is none.
    pub fn fields(self) -> Result<Fields<'n>, Fault> {
        match self.node {
            Node::Object(_) => Ok(Fields { node: self.node, path: self.path }),
            _ => Err(Fault::unfit(self.path, "an object", self.node)),
        }
    }

    /// Reads each element of an array with `read`.
    ///
    /// # Errors
    /// A [`Fault`] when it is no array, or the first one of `read`.
    pub fn each<T, E: From<Fault>>(
        self,
        mut read: impl FnMut(Value<'_>) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let items: &[Node<'_>] = self.read()?;
        (items.iter().enumerate())
            .map(|(index, node)| read(Value { node, path: Path::Element(&self.path, index) }))
            .collect()
    }
}

impl<'n> Fields<'n> {
    /// The members of a request's body, which must be an object.
    ///
    /// # Errors
    /// A [`Fault`] when it is none.
    pub fn of_request(node: &'n Node<'n>) -> Result<Fields<'n>, Fault> {
        Value { node, path: Path::Root }.fields()
    }

    /// Runs `read` on the member `name`, if it is there and not `null`.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn optional<T, E: From<Fault>>(
        &self,
        name: &str,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.node
            .member(name)
            .map(|node| read(Value { node, path: Path::Member(&self.path, name) }))
            .transpose()
    }

    /// Runs `read` on the member `name`.
    ///
    /// # Errors
    /// [`Problem::Missing`], or those of `read`.
    pub fn required<T, E: From<Fault>>(
        &self,
        name: &str,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.optional(name, read)?.ok_or_else(|| self.missing(name).into())
    }

    /// The member `name` as text.
    ///
    /// # Errors
    /// A [`Fault`] when it is missing or no string.
    pub fn text(&self, name: &str) -> Result<&'n str, Fault> {
        self.optional_text(name)?.ok_or_else(|| self.missing(name))
    }

    /// The member `name` as text, if it is there.
    ///
    /// # Errors
    /// A [`Fault`] when it is no string.
    pub fn optional_text(&self, name: &str) -> Result<Option<&'n str>, Fault> {
        let Some(node) = self.node.member(name) else { return Ok(None) };
        let unfit = || Fault::unfit(Path::Member(&self.path, name), <&str>::EXPECTED, node);
        <&str>::from_node(node).ok_or_else(unfit).map(Some)
    }

    /// The fault of the member `name`, which breaks a rule that `reason` explains.
    #[must_use]
    pub fn refused(&self, name: &str, reason: impl fmt::Display) -> Fault {
        Fault::refused(Path::Member(&self.path, name), reason)
    }

    /// The fault of a member that has to be there and is not.
    #[must_use]
    pub fn missing(&self, name: &str) -> Fault {
        let problem = Problem::Missing { look_alike: self.look_alike(name) };
        Fault { path: Path::Member(&self.path, name).to_string(), problem }
    }

    /// A member whose name is the wanted one but for case, underscores, a plural s or one or two
    /// letters: what a caller most likely meant.
    fn look_alike(&self, wanted: &str) -> Option<String> {
        let Node::Object(members) = self.node else { return None };
        let names = (members.iter())
            .filter(|(name, node)| *node != Node::Null && !known_beside(name, wanted))
            .map(|(name, _)| &**name);
        nearest(wanted, names).map(str::to_owned)
    }
}

/// The name that is the wanted one but for case, underscores or a few letters.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        name.to_ascii_lowercase()
    };
    let letters = plain(wanted);
    // Whatever is much longer is something else, and comparing it would only cost time.
    names
        .filter(|name| name.len() <= 2 * wanted.len() + 8)
        .map(|name| (distance(&letters, &plain(name)), name))
        .filter(|(distance, _)| *distance <= letters.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn known_beside(name: &str, wanted: &str) -> bool {
    OBJECTS.iter().any(|object| object.contains(&name) && object.contains(&wanted))
}

/// How many letters have to be inserted, dropped or replaced to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str, read: impl FnOnce(Fields<'_>) -> Result<(), Fault>) -> String {
        let node = Node::parse(body.as_bytes()).unwrap();
        read(Fields::of_request(&node).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn faults_name_path_rule_and_value() {
        assert_eq!(
            fault(r#"{"A":[{"B":[1,"x"]}]}"#, |fields| {
                fields.required("A", |value| {
                    value.each(|item| {
                        item.fields()?.required("B", |value| value.each(|item| item.read::<i64>()))
                    })
                })?;
                Ok(())
            }),
            r#"A[0].B[1] must be an integer, found the string "x""#
        );
        assert_eq!(
            Fields::of_request(&Node::parse(b"[]").unwrap()).unwrap_err().to_string(),
            "must be an object, found an array of 0"
        );
    }

    #[test]
    fn a_missing_field_names_its_look_alike() {
        let missing = |body: &str| fault(body, |fields| fields.text("From_Account").map(|_| ()));
        assert_eq!(missing("{}"), "From_Account is missing");
        for name in ["from_account", "FromAccount", "From_Acount", "From_Accounts"] {
            let said = missing(&format!(r#"{{"{name}":"a","Other":1}}"#));
            assert_eq!(said, format!("From_Account is missing; did you mean it by {name:?}?"));
        }
        assert_eq!(missing(r#"{"StartIndex":0}"#), "From_Account is missing");
        let new_name = fault(r#"{"OldGroupName":"a"}"#, |fields| fields.text("NewGroupName").map(|_| ()));
        assert_eq!(new_name, "NewGroupName is missing", "a field that is known is not mistaken for it");
    }

    #[test]
    fn integers_come_in_three_forms() {
        let read = |text: &str| {
            let node = Node::parse(text.as_bytes()).unwrap();
            i64::from_node(&node)
        };
        assert_eq!(read("2"), Some(2));
        assert_eq!(read("2.0"), Some(2));
        assert_eq!(read("\"2\""), Some(2));
        for bad in ["2.5", "\"\"", "\"2x\"", "true", "[]", "1e300", "18446744073709551615"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
