//! The definition of a configuration key, and the parsing of values by kind.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use toml::de::DeValue;

use super::{
    rates, time,
    units::{read_duration, read_size},
};
use crate::{address::Address, auth::CallRates, excerpt, listen, masking, written_path};

/// A configuration key whose value is stored in a draft of type `T`.
pub struct Key<T: 'static> {
    /// The name with its section, such as `tls.listen`.
    pub name: &'static str,
    pub(super) kind: Kind,
    /// The default, in the form used in environment variables; empty if there is none.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
    /// Stores the value in the draft, or returns why it is not acceptable.
    pub(super) set: fn(&mut T, Value) -> Result<(), String>,
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A text that is never displayed.
    Secret,
    /// The URL of another server. Parts that may be secret are not displayed.
    Address,
    /// A path. In the file it is relative to the file's folder, in a flag or variable to the working directory.
    Path,
    /// A number between a minimum and a maximum.
    Number(u64, u64),
    /// `true` or `false`; also `on` or `off` in a flag or variable.
    Switch,
    Duration,
    Size,
    /// A list of texts that are described by the `str`; separated by commas in a flag or variable.
    List(&'static str),
    /// Addresses to listen on, in any form that [`listen::read`] accepts.
    Listen,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A date and time.
    Instant,
    /// Calls per second by command; in a flag or variable `get_contact_group=500,others=100`.
    Rates,
}

/// A parsed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Address(Address),
    Path(PathBuf),
    Number(u64),
    Switch(bool),
    Duration(Duration),
    List(Vec<String>),
    Rates(CallRates),
}

/// A value before it is parsed.
pub(super) enum Given<'a> {
    /// From the file.
    Toml(&'a DeValue<'a>),
    /// From a variable, a flag, or the table of keys (defaults).
    Text(&'a str),
}

/// Returns the environment variable of a key: `CONFOLD_TLS_LISTEN` for `tls.listen`.
#[must_use]
pub fn environment_name(key: &str) -> String {
    format!("CONFOLD_{}", key.to_ascii_uppercase().replace('.', "_"))
}

/// Returns the flag of a key without its dashes: `tls-listen` for `tls.listen`.
pub(super) fn flag_name(key: &str) -> String {
    key.replace(['.', '_'], "-")
}

impl<T> Key<T> {
    /// The flag without its dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        flag_name(self.name)
    }

    /// A description of the accepted values, for help texts.
    #[must_use]
    pub fn takes(&self) -> String {
        self.kind.describe()
    }

    /// Whether the value is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_) | Kind::Listen)
    }

    /// Whether the value is true or false.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.kind == Kind::Switch
    }

    /// The purpose of the key, for help texts and documentation.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// The default, for help texts.
    #[must_use]
    pub fn default(&self) -> &'static str {
        self.default
    }
}

impl Kind {
    /// Describes the accepted values.
    pub(super) fn describe(self) -> String {
        match self {
            Kind::Text => "a string".to_owned(),
            Kind::Secret => "a secret string".to_owned(),
            Kind::Address => "an address that begins with http:// or https://".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Number(least, u64::MAX) => format!("a number from {least}"),
            Kind::Number(least, most) => format!("a number from {least} to {most}"),
            Kind::Switch => "true or false".to_owned(),
            Kind::Duration => "a time such as \"500ms\", \"10s\" or \"2m\"".to_owned(),
            Kind::Size => "a size such as \"512KiB\" or \"1MiB\", or a number of bytes".to_owned(),
            Kind::List(of) => format!("a list of {of}"),
            Kind::Listen => format!("a list of {}", listen::FORMS),
            Kind::Choice(names) => {
                names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" or ")
            }
            Kind::Instant => "a date and time such as 2027-01-01T00:00:00Z".to_owned(),
            Kind::Rates => rates::DESCRIPTION.to_owned(),
        }
    }

    /// Parses a value. Relative paths are resolved against `base`.
    ///
    /// # Errors
    /// What the value must be and what was found. The message continues a sentence that begins with the name of the key,
    /// and does not show secrets.
    pub(super) fn read(self, given: &Given<'_>, base: &Path) -> Result<Value, String> {
        let refused = || format!("must be {}, found {}", self.describe(), self.shown(given));
        let text = match given {
            Given::Text(text) => Some(*text),
            Given::Toml(value) => value.as_str(),
        };
        let value = match self {
            Kind::Text if text == Some("") => {
                return Err("is empty; write its value, or remove the line".to_owned());
            }
            Kind::Text | Kind::Secret => text.map(|text| Value::Text(text.to_owned())),
            Kind::Choice(names) => {
                text.filter(|text| names.contains(text)).map(|text| Value::Text(text.to_owned()))
            }
            Kind::Address => match text {
                // The errors of the parser hide the parts that may be secret.
                Some(text) => return text.parse().map(Value::Address),
                None => None,
            },
            Kind::Path => match text {
                Some(text) => {
                    return written_path::read(text.as_ref()).map(|path| Value::Path(base.join(path)));
                }
                None => None,
            },
            Kind::Number(least, most) => {
                number(given).filter(|number| (least..=most).contains(number)).map(Value::Number)
            }
            Kind::Switch => match given {
                Given::Text("on" | "off") => Some(Value::Switch(text == Some("on"))),
                Given::Text(text) => text.parse().ok().map(Value::Switch),
                Given::Toml(value) => value.as_bool().map(Value::Switch),
            },
            Kind::Duration => text.and_then(read_duration).map(Value::Duration),
            Kind::Size => number(given).or_else(|| text.and_then(read_size)).map(Value::Number),
            Kind::List(_) => list(given).map(Value::List),
            Kind::Listen => list(given).map(|items| listen::read_all(&items)).transpose()?.map(Value::List),
            Kind::Rates => return rates::read(given).map(Value::Rates),
            Kind::Instant => match given {
                Given::Text(text) => text.parse().ok().and_then(time::seconds),
                Given::Toml(DeValue::Datetime(instant)) => time::seconds(*instant),
                Given::Toml(value) => {
                    value.as_str().and_then(|text| text.parse().ok()).and_then(time::seconds)
                }
            }
            .map(Value::Number),
        };
        value.ok_or_else(refused)
    }

    fn shown(self, given: &Given<'_>) -> String {
        match given {
            _ if self == Kind::Secret => "a value of another type".to_owned(),
            Given::Text(text) => excerpt::quoted(text).to_string(),
            Given::Toml(value) => match value {
                DeValue::String(text) => excerpt::quoted(text).to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Boolean(switch) => switch.to_string(),
                DeValue::Datetime(instant) => instant.to_string(),
                other => format!("a TOML {}", other.type_str()),
            },
        }
    }

    /// Formats a value as TOML; secrets are masked.
    pub(super) fn display(self, value: &Value) -> String {
        match value {
            _ if self == Kind::Secret => "\"…\"".to_owned(),
            Value::Text(text) => quoted(&masking::text(text)),
            Value::Address(address) => quoted(&address.to_string()),
            Value::Path(path) => quoted(&path.display().to_string()),
            Value::Number(number) if self == Kind::Instant => time::display(*number),
            Value::Number(number) => number.to_string(),
            Value::Switch(switch) => switch.to_string(),
            Value::Duration(duration) => match duration.subsec_millis() {
                0 => format!("\"{}s\"", duration.as_secs()),
                _ => format!("\"{}ms\"", duration.as_millis()),
            },
            Value::Rates(rates) => rates::display(rates),
            Value::List(items) => {
                format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Value {
    pub(super) fn text(self) -> String {
        match self {
            Value::Text(text) => text,
            other => unreachable!("the key takes a string, not {other:?}"),
        }
    }

    pub(super) fn address(self) -> Address {
        match self {
            Value::Address(address) => address,
            other => unreachable!("the key takes an address, not {other:?}"),
        }
    }

    pub(super) fn path(self) -> PathBuf {
        match self {
            Value::Path(path) => path,
            other => unreachable!("the key takes a path, not {other:?}"),
        }
    }

    pub(super) fn number(self) -> u64 {
        match self {
            Value::Number(number) => number,
            other => unreachable!("the key takes a number, not {other:?}"),
        }
    }

    pub(super) fn size(self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }

    pub(super) fn switch(self) -> bool {
        match self {
            Value::Switch(switch) => switch,
            other => unreachable!("the key takes true or false, not {other:?}"),
        }
    }

    pub(super) fn duration(self) -> Duration {
        match self {
            Value::Duration(duration) => duration,
            other => unreachable!("the key takes a time, not {other:?}"),
        }
    }

    pub(super) fn rates(self) -> CallRates {
        match self {
            Value::Rates(rates) => rates,
            other => unreachable!("the key takes rates, not {other:?}"),
        }
    }

    /// Parses each item of a list. `what` describes the items in the error.
    pub(super) fn items<I>(self, what: &str, parse: impl Fn(&str) -> Option<I>) -> Result<Vec<I>, String> {
        let Value::List(items) = self else { unreachable!("the key takes a list, not {self:?}") };
        let bad = items.iter().filter(|item| parse(item).is_none());
        let bad: Vec<String> = bad.take(5).map(|item| excerpt::quoted(item).to_string()).collect();
        match bad.is_empty() {
            true => Ok(items.iter().filter_map(|item| parse(item)).collect()),
            false => Err(format!("must contain {what}, found {}", bad.join(", "))),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "keeps the setters of all keys alike")]
pub(super) fn assign<T>(place: &mut T, value: T) -> Result<(), String> {
    *place = value;
    Ok(())
}

pub(super) fn number(given: &Given<'_>) -> Option<u64> {
    match given {
        Given::Text(text) => text.parse().ok(),
        Given::Toml(value) => {
            let integer = value.as_integer()?;
            u64::from_str_radix(integer.as_str(), integer.radix()).ok()
        }
    }
}

fn list(given: &Given<'_>) -> Option<Vec<String>> {
    match given {
        // Empty text is refused before this, so an empty list needs a form of its own.
        Given::Text("[]") => Some(Vec::new()),
        Given::Text(text) => {
            Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }
        Given::Toml(DeValue::Array(items)) => {
            items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        }
        Given::Toml(_) => None,
    }
}

/// Formats a text as a TOML string.
fn quoted(text: &str) -> String {
    let escaped = text.chars().fold(String::new(), |out, c| match c {
        '"' | '\\' => out + "\\" + &c.to_string(),
        c if c.is_control() => out + &format!("\\u{:04x}", u32::from(c)),
        c => out + &c.to_string(),
    });
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, text: &str) -> Option<Value> {
        kind.read(&Given::Text(text), Path::new("/etc")).ok()
    }

    #[test]
    fn only_values_of_the_right_kind_are_parsed() {
        assert_eq!(read(Kind::Duration, "500ms"), Some(Value::Duration(Duration::from_millis(500))));
        assert_eq!(read(Kind::Duration, "2m"), Some(Value::Duration(Duration::from_secs(120))));
        assert_eq!(read(Kind::Size, "64 KiB"), Some(Value::Number(65_536)));
        assert_eq!(read(Kind::Size, "1000"), Some(Value::Number(1_000)));
        for (kind, bad) in [
            (Kind::Duration, "10"),
            (Kind::Duration, "s"),
            (Kind::Duration, "1.5s"),
            (Kind::Duration, "99999999999999999999s"),
            (Kind::Size, "1MB"),
            (Kind::Size, "-1"),
            (Kind::Number(1, 5), "6"),
            (Kind::Switch, "yes"),
            (Kind::Choice(&["a"]), "b"),
        ] {
            assert_eq!(read(kind, bad), None, "{bad}");
        }
    }

    #[test]
    fn relative_paths_are_resolved_against_the_base() {
        assert_eq!(read(Kind::Path, "a/b"), Some(Value::Path("/etc/a/b".into())));
        assert_eq!(read(Kind::Path, "/a/b"), Some(Value::Path("/a/b".into())));
    }

    #[test]
    fn an_error_describes_the_accepted_values_and_shows_no_secret() {
        let refusal = |kind: Kind, text| kind.read(&Given::Text(text), Path::new("")).unwrap_err();
        assert_eq!(refusal(Kind::Number(1, 9), "x"), "must be a number from 1 to 9, found \"x\"");
        let value = DeValue::parse("17").unwrap();
        let refused = Kind::Secret.read(&Given::Toml(value.get_ref()), Path::new("")).unwrap_err();
        assert_eq!(refused, "must be a secret string, found a value of another type");
    }
}
