//! Lists as field values: shown in brackets in the text format, as an array in JSON. `tracing` has no list values, so a
//! list is passed as a `Debug` value whose alternate form begins with a marker and is JSON.

use std::fmt;

/// Marks the JSON form of a list. No other value begins with it, because [`crate::excerpt`] escapes control characters.
const MARK: char = '\u{1}';

/// A list of numbers or texts.
#[derive(Clone)]
pub struct List(Vec<serde_json::Value>);

impl List {
    /// Creates a list of numbers or texts.
    #[must_use]
    pub fn of<T: Into<serde_json::Value>>(items: impl IntoIterator<Item = T>) -> List {
        List(items.into_iter().map(Into::into).collect())
    }

    /// Creates a list of the `Display` forms of values.
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

/// Returns the JSON form of a field's value if it is a list.
pub(super) fn json(value: &dyn fmt::Debug) -> Option<String> {
    format!("{value:#?}").strip_prefix(MARK).map(str::to_owned)
}
