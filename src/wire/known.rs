//! Which members an object may have, where one that is not known must not be passed over.
//!
//! Calls ignore fields they do not know (decision 23). An import cannot: it replaces what is there, so that a list
//! under a misspelt name would be taken for an empty one.

use super::{Fault, Field, Fields, Node, Path, nearest};

/// What becomes of a member that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is refused.
    Refused,
    /// It is passed over, unless its name looks like that of a known member.
    Ignored,
}

impl<'n> Fields<'n> {
    /// Whether a member is there and is `null`.
    #[must_use]
    pub fn is_null(&self, field: &Field) -> bool {
        let Node::Object(members) = self.node() else { return false };
        members.iter().rev().find(|(key, _)| key == field.name).is_some_and(|(_, node)| *node == Node::Null)
    }

    /// Checks that the object – `what`, in words – has no other members than the `known` ones, and each of them once.
    /// `cure` says what else can be done about a member that is not known and looks like none. What is returned is known to
    /// have these.
    ///
    /// # Errors
    /// A [`Fault`] that names the first member that is one too many, and the one that was probably meant.
    pub fn only(
        self,
        known: &'static [Field],
        unknown: UnknownFields,
        what: &str,
        cure: &str,
    ) -> Result<Fields<'n>, Fault> {
        let Node::Object(members) = self.node() else { return Ok(self.described(known)) };
        let names: Vec<&str> = known.iter().map(|field| field.name).collect();
        // A bit a name: whether it was there.
        let mut seen = 0u64;
        for (name, _) in members {
            let refused = |said: String| Err(Fault::refused(Path::Member(&self.path, name), said));
            if let Some(place) = names.iter().position(|one| one == name) {
                if seen & (1 << place) != 0 {
                    return refused("it is there twice, and only one can count; remove the other".to_owned());
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

/// The known name that a name was probably meant to be.
#[must_use]
pub fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // The length of the known name bounds how far the other may be from it, so that a short one has look-alikes too.
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
    fn a_misspelt_name_is_never_passed_over() {
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
            assert!(twice.starts_with("ContactItem is refused: it is there twice"), "{twice}");
            assert_eq!(checked(r#"{"ContactItem":[1],"GroupItem":1}"#, unknown), Ok(()));
        }
    }

    #[test]
    fn what_looks_like_nothing_is_refused_or_ignored() {
        let colour = r#"{"Colour":1}"#;
        assert_eq!(checked(colour, UnknownFields::Ignored), Ok(()));
        let refused = checked(colour, UnknownFields::Refused).unwrap_err();
        assert_eq!(refused, "Colour is refused: a line has no such field; remove it, or be lenient");
    }
}
