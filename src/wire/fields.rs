//! Typed access to the members of objects in a request. Errors contain path, rule and value.

use std::fmt;

use super::{Fault, Field, Node, Path, Problem, Shape, nearest};

/// How `""`, `0` and `[]` are read in an optional field (decision 31).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empties {
    /// Empty values are values: an empty string clears what was set.
    #[default]
    Values,
    /// The field counts as absent, because generated libraries send empty values for fields that were not set.
    Absent,
}

/// The members of one object of a request.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    node: &'n Node<'n>,
    /// The position of the object.
    pub path: Path<'n>,
    /// The fields that the object may have.
    described: &'static [Field],
    empties: Empties,
}

/// One value of a request and its position.
#[derive(Clone, Copy, Debug)]
pub struct Value<'n> {
    /// The value.
    pub node: &'n Node<'n>,
    /// The position of the value.
    pub path: Path<'n>,
    /// The expected shape.
    shape: &'static Shape,
    empties: Empties,
}

/// A type that can be read from a JSON value.
pub trait FromNode<'n>: Sized {
    /// A description for errors, such as `a string`.
    const EXPECTED: &'static str;
    /// Returns the value, or `None` if the node has another type.
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

/// Integers may also be written as integral floats and as decimal strings, because the official tables
/// give the same field different types on different pages (ambiguity A2).
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
    /// Reads the value as `T`.
    ///
    /// # Errors
    /// Returns a [`Fault`] if the value has another type.
    pub fn read<T: FromNode<'n>>(self) -> Result<T, Fault> {
        T::from_node(self.node).ok_or_else(|| Fault::unfit(self.path, T::EXPECTED, self.node))
    }

    /// Returns the value with `shape` as its expected shape.
    #[must_use]
    pub fn described(self, shape: &'static Shape) -> Value<'n> {
        Value { shape, ..self }
    }

    /// Reads one of the numbers that the shape allows.
    ///
    /// # Errors
    /// Returns a [`Fault`] that lists the allowed numbers.
    pub fn choice(self) -> Result<i64, Fault> {
        let found = i64::from_node(self.node);
        match (found, self.shape) {
            (Some(found), Shape::Choice(choices)) if choices.iter().any(|(value, _)| *value == found) => {
                Ok(found)
            }
            _ => Err(self.not_allowed::<i64>()),
        }
    }

    /// Reads one of the strings that the shape allows.
    ///
    /// # Errors
    /// Returns a [`Fault`] that lists the allowed strings.
    pub fn word(self) -> Result<&'n str, Fault> {
        let found = <&str>::from_node(self.node);
        match (found, self.shape) {
            (Some(found), Shape::Word(words)) if words.contains(&found) => Ok(found),
            _ => Err(self.not_allowed::<&str>()),
        }
    }

    fn not_allowed<T: FromNode<'n>>(self) -> Fault {
        Fault::unfit(self.path, self.shape.allowed().unwrap_or_else(|| T::EXPECTED.to_owned()), self.node)
    }

    /// Reads an object. An empty array counts as an empty object if one is expected, because PHP encodes it
    /// that way (decision 32).
    ///
    /// # Errors
    /// Returns a [`Fault`] if the value is not an object.
    pub fn fields(self) -> Result<Fields<'n>, Fault> {
        let described = match self.shape {
            Shape::Object(fields) => Some(*fields),
            _ => None,
        };
        Fields::of(self.node, self.path, described, self.empties)
    }

    /// Reads each element of an array with `read`.
    ///
    /// # Errors
    /// Returns a [`Fault`] if the value is not an array, or the first error of `read`.
    pub fn each<T, E: From<Fault>>(
        self,
        mut read: impl FnMut(Value<'_>) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let items: &[Node<'_>] = self.read()?;
        let shape = match self.shape {
            Shape::List(of) => of,
            _ => &Shape::Any,
        };
        (items.iter().enumerate())
            .map(|(index, node)| {
                read(Value { node, path: Path::Element(&self.path, index), shape, empties: self.empties })
            })
            .collect()
    }
}

impl<'n> Fields<'n> {
    /// Returns the object itself.
    pub(super) fn node(&self) -> &'n Node<'n> {
        self.node
    }

    /// Returns the names of the members.
    pub fn names(&self) -> impl Iterator<Item = &'n str> {
        let members: &'n [_] = if let Node::Object(members) = self.node { members } else { &[] };
        members.iter().map(|(name, _)| &**name)
    }

    /// Returns the members of an object whose fields are not described yet.
    ///
    /// # Errors
    /// Returns a [`Fault`] if the node is not an object.
    pub fn of_request(node: &'n Node<'n>) -> Result<Fields<'n>, Fault> {
        Fields::of(node, Path::Root, None, Empties::Values)
    }

    /// Returns the members of a call's body. It may have the fields in `described`, and an empty array counts as an empty
    /// object.
    ///
    /// # Errors
    /// Returns a [`Fault`] if the node is neither an object nor an empty array.
    pub fn of_call(
        node: &'n Node<'n>,
        described: &'static [Field],
        empties: Empties,
    ) -> Result<Fields<'n>, Fault> {
        Fields::of(node, Path::Root, Some(described), empties)
    }

    fn of(
        node: &'n Node<'n>,
        path: Path<'n>,
        described: Option<&'static [Field]>,
        empties: Empties,
    ) -> Result<Fields<'n>, Fault> {
        let is_object = match node {
            Node::Object(_) => true,
            Node::Array(items) => items.is_empty() && described.is_some(),
            _ => false,
        };
        match is_object {
            true => Ok(Fields { node, path, described: described.unwrap_or_default(), empties }),
            false => Err(Fault::unfit(path, "an object", node)),
        }
    }

    /// Returns the members with `described` as the fields that the object may have.
    #[must_use]
    pub fn described(self, described: &'static [Field]) -> Fields<'n> {
        Fields { described, ..self }
    }

    /// Returns a member, unless it is optional and counts as absent.
    fn member(&self, field: &Field, is_required: bool) -> Option<&'n Node<'n>> {
        debug_assert!(
            self.described.is_empty() || self.is_described(field.name),
            "{} is read from an object whose list of fields does not have it",
            field.name
        );
        let is_there = |node: &&Node<'_>| is_required || self.empties == Empties::Values || !node.is_empty();
        self.node.member(field.name).filter(is_there)
    }

    fn is_described(&self, name: &str) -> bool {
        self.described.iter().any(|field| field.name == name)
    }

    fn read<T, E: From<Fault>>(
        &self,
        field: &'static Field,
        node: &'n Node<'n>,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = Path::Member(&self.path, field.name);
        read(Value { node, path, shape: &field.shape, empties: self.empties })
    }

    /// Runs `read` on a member. Returns `None` if the member is absent, `null`, or empty and counts as absent.
    ///
    /// # Errors
    /// Returns any error of `read`.
    pub fn optional<T, E: From<Fault>>(
        &self,
        field: &'static Field,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.member(field, false).map(|node| self.read(field, node, read)).transpose()
    }

    /// Runs `read` on an optional member for which 0 is a value. Returns `None` if the member is absent, `null`, or an empty
    /// string or array that counts as absent.
    ///
    /// # Errors
    /// Returns any error of `read`.
    pub fn optional_number<T, E: From<Fault>>(
        &self,
        field: &'static Field,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let is_number = |node: &&Node<'_>| matches!(node, Node::Integer(_) | Node::Float(_));
        match self.member(field, true).filter(is_number) {
            Some(node) => self.read(field, node, read).map(Some),
            None => self.optional(field, read),
        }
    }

    /// Runs `read` on a member.
    ///
    /// # Errors
    /// Returns [`Problem::Missing`], or any error of `read`.
    pub fn required<T, E: From<Fault>>(
        &self,
        field: &'static Field,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match self.member(field, true) {
            Some(node) => self.read(field, node, read),
            None => Err(self.missing(field).into()),
        }
    }

    /// Reads a required string.
    ///
    /// # Errors
    /// Returns a [`Fault`] if the member is missing or not a string.
    pub fn text(&self, field: &'static Field) -> Result<&'n str, Fault> {
        match self.member(field, true) {
            Some(node) => self.text_of(field, node),
            None => Err(self.missing(field)),
        }
    }

    /// Reads an optional string.
    ///
    /// # Errors
    /// Returns a [`Fault`] if the member is not a string.
    pub fn optional_text(&self, field: &'static Field) -> Result<Option<&'n str>, Fault> {
        self.member(field, false).map(|node| self.text_of(field, node)).transpose()
    }

    /// Returns a member if it is a string, even if the object should not have it. Observers of calls use this.
    #[must_use]
    pub fn peek(&self, field: &Field) -> Option<&'n str> {
        <&str>::from_node(self.node.member(field.name)?)
    }

    fn text_of(&self, field: &Field, node: &'n Node<'n>) -> Result<&'n str, Fault> {
        let unfit = || Fault::unfit(Path::Member(&self.path, field.name), <&str>::EXPECTED, node);
        <&str>::from_node(node).ok_or_else(unfit)
    }

    /// Creates the fault for a member that breaks a rule. `reason` explains the rule.
    #[must_use]
    pub fn refused(&self, field: &Field, reason: impl fmt::Display) -> Fault {
        Fault::refused(Path::Member(&self.path, field.name), reason)
    }

    /// Creates the fault for a required member that is missing.
    fn missing(&self, field: &Field) -> Fault {
        let problem = Problem::Missing { look_alike: self.look_alike(field.name), wanted: field.wanted() };
        Fault { path: Path::Member(&self.path, field.name).to_string(), problem }
    }

    /// Returns the name of a member that was probably meant to be `wanted`: it differs only in case, underscores
    /// or a few letters. Names of other fields that the object may have are never suggested.
    fn look_alike(&self, wanted: &str) -> Option<String> {
        let Node::Object(members) = self.node else { return None };
        let names = (members.iter())
            .filter(|(name, node)| *node != Node::Null && !self.is_described(name))
            .map(|(name, _)| &**name);
        nearest(wanted, names).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{bare, may, must};

    const A: Field = bare("A");
    const B: Field = bare("B");
    const OWNER: Field = bare("From_Account");
    const OLD: Field = bare("OldGroupName");
    const NEW: Field = bare("NewGroupName");

    fn fault(body: &str, read: impl FnOnce(Fields<'_>) -> Result<(), Fault>) -> String {
        let node = Node::parse(body.as_bytes()).unwrap();
        let fields = Fields::of_request(&node).unwrap().described(&[A, B, OWNER, OLD, NEW]);
        read(fields).unwrap_err().to_string()
    }

    #[test]
    fn faults_name_path_rule_and_value() {
        assert_eq!(
            fault(r#"{"A":[{"B":[1,"x"]}]}"#, |fields| {
                fields.required(&A, |value| {
                    value.each(|item| {
                        item.fields()?.required(&B, |value| value.each(|item| item.read::<i64>()))
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
        let missing = |body: &str| fault(body, |fields| fields.text(&OWNER).map(|_| ()));
        assert_eq!(missing("{}"), "From_Account is missing");
        for name in ["from_account", "FromAccount", "From_Acount", "From_Accounts"] {
            let said = missing(&format!(r#"{{"{name}":"a","Other":1}}"#));
            assert_eq!(said, format!("From_Account is missing; is {name:?} meant to be this field?"));
        }
        assert_eq!(missing(r#"{"StartIndex":0}"#), "From_Account is missing");
        let new_name = fault(r#"{"OldGroupName":"a"}"#, |fields| fields.text(&NEW).map(|_| ()));
        assert_eq!(new_name, "NewGroupName is missing", "a field that is known is not mistaken for it");
    }

    const KIND: Field = must("Kind", Shape::Choice(&[(1, "one"), (2, "two")]), "");
    const PART: Field = must("Part", Shape::Object(&[KIND]), "What to do.");
    const NOTE: Field = may("Note", Shape::Text, "A note.");
    const CALL: &[Field] = &[PART, NOTE];

    #[test]
    fn what_is_described_is_explained_where_it_is_missing_or_wrong() {
        let kind = |body: &str| {
            let node = Node::parse(body.as_bytes()).unwrap();
            let fields = Fields::of_call(&node, CALL, Empties::Values).unwrap();
            let kind = fields.required(&PART, |part| part.fields()?.required(&KIND, |value| value.choice()));
            kind.map_err(|fault: Fault| fault.to_string())
        };
        assert_eq!(kind(r#"{"Part":{"Kind":"2"}}"#), Ok(2));
        let refused = |body: &str, said: &str| assert_eq!(kind(body).unwrap_err(), said);
        refused("{}", "Part is missing (an object: what to do)");
        refused(r#"{"part":{}}"#, r#"Part is missing; is "part" meant to be this field?"#);
        // An empty array is an empty object (decision 32).
        for empty in [r#"{"Part":{}}"#, r#"{"Part":[]}"#] {
            refused(empty, "Part.Kind is missing; it must be 1 (one) or 2 (two)");
        }
        refused("[]", "Part is missing (an object: what to do)");
        refused(r#"{"Part":{"Kind":3}}"#, "Part.Kind must be 1 (one) or 2 (two), found the number 3");
        refused(r#"{"Part":{"Kind":[]}}"#, "Part.Kind must be 1 (one) or 2 (two), found an array of 0");
        refused(r#"{"Part":[{}]}"#, "Part must be an object, found an array of 1");
    }

    #[test]
    #[should_panic(expected = "A is read from an object whose list of fields does not have it")]
    fn a_field_that_is_read_has_to_be_listed_in_its_object() {
        let node = Node::parse(b"{}").unwrap();
        let _ = Fields::of_call(&node, CALL, Empties::Values).unwrap().optional_text(&A);
    }

    #[test]
    fn an_empty_optional_field_is_absent_where_it_is_not_a_value() {
        for empty in [r#""""#, "0", "0.0", "-0", "[]", "null"] {
            let body = format!(r#"{{"Note":{empty}}}"#);
            let node = Node::parse(body.as_bytes()).unwrap();
            let absent = Fields::of_call(&node, CALL, Empties::Absent).unwrap();
            assert_eq!(absent.optional_text(&NOTE), Ok(None), "{empty}");
            assert_eq!(absent.optional(&NOTE, |value| value.read::<i64>()), Ok(None), "{empty}");
            let values = Fields::of_call(&node, CALL, Empties::Values).unwrap();
            let found = values.optional(&NOTE, |_| Ok::<_, Fault>(())).unwrap();
            assert_eq!(found.is_some(), empty != "null", "{empty}");
            // A required field must be present, and an empty value is then read as it is.
            let read = absent.required(&NOTE, |_| Ok::<_, Fault>(()));
            assert_eq!(read.is_ok(), empty != "null", "{empty}");
        }
        let node = Node::parse(br#"{"Note":" "}"#).unwrap();
        let kept = Fields::of_call(&node, CALL, Empties::Absent).unwrap();
        assert_eq!(kept.optional_text(&NOTE), Ok(Some(" ")));
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
