//! A value as it is written in the configuration, before it is parsed.

use toml::de::DeValue;

use super::time;

/// A value before it is parsed.
pub(super) enum Given<'a> {
    /// From the file.
    Toml(&'a DeValue<'a>),
    /// A value from a variable, a flag, or the table of keys (defaults).
    Text(&'a str),
}

impl Given<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Given::Text(text) => Some(text),
            Given::Toml(value) => value.as_str(),
        }
    }

    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Given::Text(text) => text.parse().ok(),
            Given::Toml(value) => {
                let integer = value.as_integer()?;
                u64::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
        }
    }

    pub(super) fn switch(&self) -> Option<bool> {
        match self {
            Given::Text("on") => Some(true),
            Given::Text("off") => Some(false),
            Given::Text(text) => text.parse().ok(),
            Given::Toml(value) => value.as_bool(),
        }
    }

    pub(super) fn instant(&self) -> Option<u64> {
        match self {
            Given::Toml(DeValue::Datetime(instant)) => time::seconds(*instant),
            _ => self.text()?.parse().ok().and_then(time::seconds),
        }
    }

    pub(super) fn list(&self) -> Option<Vec<String>> {
        match self {
            // Empty text is refused before this, so an empty list needs a form of its own.
            Given::Text("[]") => Some(Vec::new()),
            Given::Text(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(str::to_owned).collect())
            }
            Given::Toml(DeValue::Array(items)) => {
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
            }
            Given::Toml(_) => None,
        }
    }
}
