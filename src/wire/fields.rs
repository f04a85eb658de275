//! Typed access to the members of a request's objects, with faults that name path, rule and value.

use std::fmt;

use super::{Fault, Field, Node, Path, Problem, Shape, nearest};

/// What `""`, `0` and `[]` mean for an optional field (decision 31).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empties {
    /// What they are: an empty text clears.
    #[default]
    Values,
    /// Nothing: libraries that were generated send them for fields that nobody has set.
    Absent,
}

/// The members of one object of a request.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    node: &'n Node<'n>,
    /// Where the object stands.
    pub path: Path<'n>,
    /// What the object is known to have.
    described: &'static [Field],
    empties: Empties,
}

/// One value of a request and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Value<'n> {
    /// The value.
    pub node: &'n Node<'n>,
    /// Where it stands.
    pub path: Path<'n>,
    /// What it has to be.
    shape: &'static Shape,
    empties: Empties,
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

    /// The same value, which has to be as `shape` says.
    #[must_use]
    pub fn described(self, shape: &'static Shape) -> Value<'n> {
        Value { shape, ..self }
    }

    /// The value as one of the numbers that its description allows.
    ///
    /// # Errors
    /// A [`Fault`] that lists them, when it is another one.
    pub fn choice(self) -> Result<i64, Fault> {
        let found = i64::from_node(self.node);
        match (found, self.shape) {
            (Some(found), Shape::Choice(choices)) if choices.iter().any(|(value, _)| *value == found) => {
                Ok(found)
            }
            _ => Err(self.not_allowed::<i64>()),
        }
    }

    /// The value as one of the texts that its description allows.
    ///
    /// # Errors
    /// A [`Fault`] that lists them, when it is another one.
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

    /// The value as an object. Where an object is described, an empty array is an empty one: PHP writes it so
    /// (decision 32).
    ///
    /// # Errors
    /// A [`Fault`] when it is none.
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
    /// A [`Fault`] when it is no array, or the first one of `read`.
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
    /// The object itself.
    pub(super) fn node(&self) -> &'n Node<'n> {
        self.node
    }

    /// The names of its members.
    pub fn names(&self) -> impl Iterator<Item = &'n str> {
        let members: &'n [_] = if let Node::Object(members) = self.node { members } else { &[] };
        members.iter().map(|(name, _)| &**name)
    }

    /// The members of an object about which nothing is known.
    ///
    /// # Errors
    /// A [`Fault`] when it is none.
    pub fn of_request(node: &'n Node<'n>) -> Result<Fields<'n>, Fault> {
        Fields::of(node, Path::Root, None, Empties::Values)
    }

    /// The members of a call's body, which must be an object with these.
    ///
    /// # Errors
    /// A [`Fault`] when it is none.
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

    /// The same members, which are known to be no others than these.
    #[must_use]
    pub fn described(self, described: &'static [Field]) -> Fields<'n> {
        Fields { described, ..self }
    }

    /// The member of this name, unless it is optional and counts as absent.
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

    /// Runs `read` on a member, if it is there and neither `null` nor an empty one that counts as absent.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn optional<T, E: From<Fault>>(
        &self,
        field: &'static Field,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.member(field, false).map(|node| self.read(field, node, read)).transpose()
    }

    /// Runs `read` on a member.
    ///
    /// # Errors
    /// [`Problem::Missing`], or those of `read`.
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

    /// A member as text.
    ///
    /// # Errors
    /// A [`Fault`] when it is missing or no string.
    pub fn text(&self, field: &'static Field) -> Result<&'n str, Fault> {
        match self.member(field, true) {
            Some(node) => self.text_of(field, node),
            None => Err(self.missing(field)),
        }
    }

    /// A member as text, if it is there.
    ///
    /// # Errors
    /// A [`Fault`] when it is no string.
    pub fn optional_text(&self, field: &'static Field) -> Result<Option<&'n str>, Fault> {
        self.member(field, false).map(|node| self.text_of(field, node)).transpose()
    }

    /// A member that is a text, whether or not this object should have it: for what watches calls.
    #[must_use]
    pub fn peek(&self, field: &Field) -> Option<&'n str> {
        <&str>::from_node(self.node.member(field.name)?)
    }

    fn text_of(&self, field: &Field, node: &'n Node<'n>) -> Result<&'n str, Fault> {
        let unfit = || Fault::unfit(Path::Member(&self.path, field.name), <&str>::EXPECTED, node);
        <&str>::from_node(node).ok_or_else(unfit)
    }

    /// The fault of a member that breaks a rule, which `reason` explains.
    #[must_use]
    pub fn refused(&self, field: &Field, reason: impl fmt::Display) -> Fault {
        Fault::refused(Path::Member(&self.path, field.name), reason)
    }

    /// The fault of a member that has to be there and is not.
    fn missing(&self, field: &Field) -> Fault {
        let problem = Problem::Missing { look_alike: self.look_alike(field.name), wanted: field.wanted() };
        Fault { path: Path::Member(&self.path, field.name).to_string(), problem }
    }

    /// A member whose name is the wanted one but for case, underscores, a plural s or one or two
    /// letters: what a caller most likely meant. A field that the object has beside it is not mistaken for it.
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
            assert_eq!(said, format!("From_Account is missing; did you mean it by {name:?}?"));
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
        refused(r#"{"part":{}}"#, r#"Part is missing; did you mean it by "part"?"#);
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
    fn a_field_that_is_read_has_to_stand_in_the_list_of_its_object() {
        let node = Node::parse(b"{}").unwrap();
        let _ = Fields::of_call(&node, CALL, Empties::Values).unwrap().optional_text(&A);
    }

    #[test]
    fn an_empty_optional_is_absent_where_it_is_no_value() {
        for empty in [r#""""#, "0", "0.0", "-0", "[]", "null"] {
            let body = format!(r#"{{"Note":{empty}}}"#);
            let node = Node::parse(body.as_bytes()).unwrap();
            let absent = Fields::of_call(&node, CALL, Empties::Absent).unwrap();
            assert_eq!(absent.optional_text(&NOTE), Ok(None), "{empty}");
            assert_eq!(absent.optional(&NOTE, |value| value.read::<i64>()), Ok(None), "{empty}");
            let values = Fields::of_call(&node, CALL, Empties::Values).unwrap();
            let found = values.optional(&NOTE, |_| Ok::<_, Fault>(())).unwrap();
            assert_eq!(found.is_some(), empty != "null", "{empty}");
            // What is required has to be there, and is read as it is.
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
