//! Checks objects that must not have unknown members.
//!
//! Calls ignore unknown members (decision 23). An import must not do so by default: it replaces existing data, so a
//! list under a misspelt name would be treated as an empty list.

use super::{Fault, Field, Fields, Node, Path, nearest};

/// What to do with an unknown member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// Refuse it.
    Refused,
    /// Ignore it, unless its name is similar to that of a known member.
    Ignored,
}

impl<'n> Fields<'n> {
    /// Returns whether a member is present and `null`.
    #[must_use]
    pub fn is_null(&self, field: &Field) -> bool {
        let Node::Object(members) = self.node() else { return false };
        members.iter().rev().find(|(key, _)| key == field.name).is_some_and(|(_, node)| *node == Node::Null)
    }

    /// Checks that the object has only `known` members, and none of them twice. `what` names the object in errors, and
    /// `cure` says what else can be done about an unknown member that is not similar to a known one. The result is
    /// restricted to the known members.
    ///
    /// # Errors
    /// Returns a [`Fault`] that names the first bad member, and the known member that it was probably meant to be.
    pub fn only(
        self,
        known: &'static [Field],
        unknown: UnknownFields,
        what: &str,
        cure: &str,
    ) -> Result<Fields<'n>, Fault> {
        let Node::Object(members) = self.node() else { return Ok(self.described(known)) };
        let names: Vec<&str> = known.iter().map(|field| field.name).collect();
        // One bit per known name, set once the member was seen.
        let mut seen = 0u64;
        for (name, _) in members {
            let refused = |said: String| Err(Fault::refused(Path::Member(&self.path, name), said));
            if let Some(place) = names.iter().position(|one| one == name) {
                if seen & (1 << place) != 0 {
                    return refused("it is given twice; remove one of them".to_owned());
                }
                seen |= 1 << place;
            } else if let Some(other) = meant(name, &names) {
                return refused(format!(
                    "{what} has no such field; did you mean {other}? Rename it, or remove it if it is something else"
                ));
            } else if unknown == UnknownFields::Refused {
                return refused(format!("{what} has no such field; remove it{cure}"));
            }
        }
        Ok(self.described(known))
    }
}

/// Returns the known name that was probably meant.
#[must_use]
pub fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // The number of letters that may differ depends on the known name, so that short names can have typing errors too.
    known.iter().copied().find(|known| nearest(known, std::iter::once(name)).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bare;

    const LISTS: &[Field] = &[bare("ContactItem"), bare("GroupItem")];

    fn checked(text: &str, unknown: UnknownFields) -> Result<(), String> {
        let node = Node::parse(text.as_bytes()).unwrap();
        let fields = Fields::of_request(&node).unwrap();
        fields
            .only(LISTS, unknown, "a line", ", or be lenient")
            .map(|_| ())
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_misspelt_name_is_never_ignored() {
        for unknown in [UnknownFields::Refused, UnknownFields::Ignored] {
            for name in ["ContactItems", "contactitem", "Contact_Item", "ContactItme", "Contactitem"] {
                let said = checked(&format!(r#"{{"GroupItem":1,"{name}":[]}}"#), unknown).unwrap_err();
                assert!(
                    said.starts_with(&format!(
                        "{name} is refused: a line has no such field; did you mean ContactItem?"
                    )),
                    "{said}"
                );
            }
            let twice =
                checked(r#"{"ContactItem":[1],"GroupItem":1,"ContactItem":[]}"#, unknown).unwrap_err();
            assert!(twice.starts_with("ContactItem is refused: it is given twice"), "{twice}");
            assert_eq!(checked(r#"{"ContactItem":[1],"GroupItem":1}"#, unknown), Ok(()));
        }
    }

    #[test]
    fn a_field_without_a_similar_name_is_refused_or_ignored() {
        let colour = r#"{"Colour":1}"#;
        assert_eq!(checked(colour, UnknownFields::Ignored), Ok(()));
        let refused = checked(colour, UnknownFields::Refused).unwrap_err();
        assert_eq!(refused, "Colour is refused: a line has no such field; remove it, or be lenient");
    }
}
