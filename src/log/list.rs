//! A list as the value of a field: in the text form in brackets, in JSON a JSON list. The library that carries fields
//! knows no lists, so one travels as a text, with a mark that no other text of the log has.

use std::fmt;

/// It stands before a list in JSON. Foreign text in a field never has control characters, see [`crate::excerpt`].
const MARK: char = '\u{1}';

/// A list of numbers or texts.
#[derive(Clone)]
pub struct List(Vec<serde_json::Value>);

impl List {
    /// A list of these.
    #[must_use]
    pub fn of<T: Into<serde_json::Value>>(items: impl IntoIterator<Item = T>) -> List {
        List(items.into_iter().map(Into::into).collect())
    }

    /// A list of these, as they are displayed.
    #[must_use]
    pub fn shown<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> List {
        List::of(items.into_iter().map(|item| item.to_string()))
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return write!(f, "{MARK}{}", serde_json::Value::from(self.0.clone()));
        }
        f.write_str("[")?;
        for (at, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

/// The JSON of a field's value, if it is a list.
pub(super) fn json(value: &dyn fmt::Debug) -> Option<String> {
    format!("{value:#?}").strip_prefix(MARK).map(str::to_owned)
}
