//! Typed access to the members of a request's objects, with faults that name path, rule and value.

use std::fmt;

use super::{
    Fault, Field, Node, Path, Problem, Shape,
    names::{known_beside, nearest},
};

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
    /// What it has to be, where that is known.
    shape: Option<&'static Shape>,
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
        Value { shape: Some(shape), ..self }
    }

    /// The value as one of the numbers that its description allows.
    ///
    /// # Errors
    /// A [`Fault`] that lists them, when it is another one.
    pub fn choice(self) -> Result<i64, Fault> {
        let found = i64::from_node(self.node);
        match (found, self.shape) {
            (Some(found), Some(Shape::Choice(choices)))
                if choices.iter().any(|(value, _)| *value == found) =>
            {
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
            (Some(found), Some(Shape::Word(words))) if words.contains(&found) => Ok(found),
            _ => Err(self.not_allowed::<&str>()),
        }
    }

    fn not_allowed<T: FromNode<'n>>(self) -> Fault {
        let allowed = self.shape.and_then(Shape::allowed);
        Fault::unfit(self.path, allowed.unwrap_or_else(|| T::EXPECTED.to_owned()), self.node)
    }

    /// The value as an object. Where an object is described, an empty array is an empty one: PHP writes it so
    /// (decision 32).
    ///
    /// # Errors
    /// A [`Fault`] when it is none.
    pub fn fields(self) -> Result<Fields<'n>, Fault> {
        let described = match self.shape {
            Some(Shape::Object(fields)) => Some(*fields),
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
            Some(Shape::List(of)) => Some(*of),
            _ => None,
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

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.described.iter().find(|field| field.name == name)
    }

    /// The member `name`, unless it is optional and counts as absent.
    fn member(&self, name: &str, is_required: bool) -> Option<&'n Node<'n>> {
        let is_there = |node: &&Node<'_>| is_required || self.empties == Empties::Values || !node.is_empty();
        self.node.member(name).filter(is_there)
    }

    fn read<T, E: From<Fault>>(
        &self,
        name: &str,
        node: &'n Node<'n>,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let shape = self.field(name).map(|field| &field.shape);
        read(Value { node, path: Path::Member(&self.path, name), shape, empties: self.empties })
    }

    /// Runs `read` on the member `name`, if it is there and neither `null` nor an empty one that counts as absent.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn optional<T, E: From<Fault>>(
        &self,
        name: &str,
        read: impl FnOnce(Value<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        self.member(name, false).map(|node| self.read(name, node, read)).transpose()
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
        match self.member(name, true) {
            Some(node) => self.read(name, node, read),
            None => Err(self.missing(name).into()),
        }
    }

    /// The member `name` as text.
    ///
    /// # Errors
    /// A [`Fault`] when it is missing or no string.
    pub fn text(&self, name: &str) -> Result<&'n str, Fault> {
        match self.member(name, true) {
            Some(node) => self.text_of(name, node),
            None => Err(self.missing(name)),
        }
    }

    /// The member `name` as text, if it is there.
    ///
    /// # Errors
    /// A [`Fault`] when it is no string.
    pub fn optional_text(&self, name: &str) -> Result<Option<&'n str>, Fault> {
        self.member(name, false).map(|node| self.text_of(name, node)).transpose()
    }

    fn text_of(&self, name: &str, node: &'n Node<'n>) -> Result<&'n str, Fault> {
        let unfit = || Fault::unfit(Path::Member(&self.path, name), <&str>::EXPECTED, node);
        <&str>::from_node(node).ok_or_else(unfit)
    }

    /// The fault of the member `name`, which breaks a rule that `reason` explains.
    #[must_use]
    pub fn refused(&self, name: &str, reason: impl fmt::Display) -> Fault {
        Fault::refused(Path::Member(&self.path, name), reason)
    }

    /// The fault of a member that has to be there and is not.
    #[must_use]
    pub fn missing(&self, name: &str) -> Fault {
        let wanted = self.field(name).map(Field::wanted).unwrap_or_default();
        let problem = Problem::Missing { look_alike: self.look_alike(name), wanted };
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

    const PART: Shape =
        Shape::Object(&[crate::wire::must("Kind", Shape::Choice(&[(1, "one"), (2, "two")]), "")]);
    const CALL: &[Field] =
        &[crate::wire::must("Part", PART, "What to do."), crate::wire::may("Note", Shape::Text, "A note.")];

    #[test]
    fn what_is_described_is_explained_where_it_is_missing_or_wrong() {
        let kind = |body: &str| {
            let node = Node::parse(body.as_bytes()).unwrap();
            let fields = Fields::of_call(&node, CALL, Empties::Values).unwrap();
            let kind =
                fields.required("Part", |part| part.fields()?.required("Kind", |value| value.choice()));
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
    fn an_empty_optional_is_absent_where_it_is_no_value() {
        for empty in [r#""""#, "0", "0.0", "-0", "[]", "null"] {
            let body = format!(r#"{{"Note":{empty}}}"#);
            let node = Node::parse(body.as_bytes()).unwrap();
            let absent = Fields::of_call(&node, CALL, Empties::Absent).unwrap();
            assert_eq!(absent.optional_text("Note"), Ok(None), "{empty}");
            assert_eq!(absent.optional("Note", |value| value.read::<i64>()), Ok(None), "{empty}");
            let values = Fields::of_call(&node, CALL, Empties::Values).unwrap();
            let found = values.optional("Note", |_| Ok::<_, Fault>(())).unwrap();
            assert_eq!(found.is_some(), empty != "null", "{empty}");
            // What is required has to be there, and is read as it is.
            let read = absent.required("Note", |_| Ok::<_, Fault>(()));
            assert_eq!(read.is_ok(), empty != "null", "{empty}");
        }
        let node = Node::parse(br#"{"Note":" "}"#).unwrap();
        let kept = Fields::of_call(&node, CALL, Empties::Absent).unwrap();
        assert_eq!(kept.optional_text("Note"), Ok(Some(" ")));
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
