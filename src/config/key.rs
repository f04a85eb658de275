//! The definition of a configuration key, and the parsing of values by kind.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use toml::de::DeValue;

use super::{
    given::Given,
    rates, time,
    units::{read_duration, read_size},
};
use crate::{address::Address, auth::CallRates, excerpt, listen, masking, written_path};

/// A configuration key whose value is stored in a draft of type `T`.
pub struct Key<T: 'static> {
    /// The name with its section, such as `tls.listen`.
    pub name: &'static str,
    /// The type of the value, with the function that stores it.
    pub(super) kind: Kind<T>,
    /// The default, in the form used in environment variables; empty if there is none.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
}

/// Stores a value in a draft, or returns why it is not acceptable.
type Set<T, V> = fn(&mut T, V) -> Result<(), String>;

/// A [`Set`] together with the value to store.
type Store<T> = dyn FnOnce(&mut T) -> Result<(), String>;

/// The type of a key's value. Each variant ends with the function that stores such a value.
pub(super) enum Kind<T> {
    Text(Set<T, String>),
    /// A text that is never displayed.
    Secret(Set<T, String>),
    /// The URL of another server. Parts that may be secret are not displayed.
    Address(Set<T, Address>),
    /// The URL of another server, of which only the origin is displayed.
    Callback(Set<T, Address>),
    /// A path. In the file it is relative to the file's folder, in a flag or variable to the working directory.
    Path(Set<T, PathBuf>),
    /// A number between a minimum and a maximum.
    Number(u64, u64, Set<T, u64>),
    /// `true` or `false`; also `on` or `off` in a flag or variable.
    Switch(Set<T, bool>),
    Duration(Set<T, Duration>),
    /// A number of bytes.
    Size(Set<T, u64>),
    /// A list of texts that are described by the `str`; separated by commas in a flag or variable.
    List(&'static str, Set<T, Vec<String>>),
    /// Addresses to listen on, in any form that [`listen::read`] accepts.
    Listen(Set<T, Vec<String>>),
    /// One of these texts.
    Choice(&'static [&'static str], Set<T, String>),
    /// A date and time, in seconds since 1970.
    Instant(Set<T, u64>),
    /// Calls per second by command; in a flag or variable `get_contact_group=500,others=100`.
    Rates(Set<T, CallRates>),
}

/// A parsed value that can be stored in a draft.
pub(super) struct Parsed<T> {
    /// The value as TOML; secrets are masked.
    pub(super) shown: String,
    /// The function that stores the value, or returns why it is not acceptable.
    pub(super) store: Box<Store<T>>,
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
    /// Returns the flag without its dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        flag_name(self.name)
    }

    /// Returns a description of the accepted values, for help texts.
    #[must_use]
    pub fn takes(&self) -> String {
        self.kind.describe()
    }

    /// Returns whether the value is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(..) | Kind::Listen(_))
    }

    /// Returns whether the value is true or false.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        matches!(self.kind, Kind::Switch(_))
    }

    /// Returns the purpose of the key, for help texts and documentation.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Returns the default, for help texts.
    #[must_use]
    pub fn default(&self) -> &'static str {
        self.default
    }
}

impl<T: 'static> Kind<T> {
    /// Describes the accepted values.
    pub(super) fn describe(&self) -> String {
        match self {
            Kind::Text(_) => "a string".to_owned(),
            Kind::Secret(_) => "a secret string".to_owned(),
            Kind::Address(_) | Kind::Callback(_) => {
                "an address that begins with http:// or https://".to_owned()
            }
            Kind::Path(_) => "a path".to_owned(),
            Kind::Number(least, u64::MAX, _) => format!("a number from {least}"),
            Kind::Number(least, most, _) => format!("a number from {least} to {most}"),
            Kind::Switch(_) => "true or false".to_owned(),
            Kind::Duration(_) => "a time such as \"500ms\", \"10s\", \"2m\" or \"7d\"".to_owned(),
            Kind::Size(_) => "a size such as \"512KiB\" or \"1MiB\", or a number of bytes".to_owned(),
            Kind::List(of, _) => format!("a list of {of}"),
            Kind::Listen(_) => format!("a list of {}", listen::FORMS),
            Kind::Choice(names, _) => {
                names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" or ")
            }
            Kind::Instant(_) => "a date and time such as 2027-01-01T00:00:00Z".to_owned(),
            Kind::Rates(_) => rates::DESCRIPTION.to_owned(),
        }
    }

    /// Parses a value. Relative paths are resolved against `base`.
    ///
    /// # Errors
    /// Returns what the value must be and what was found. The message continues a sentence that begins with the name
    /// of the key, and does not show secrets.
    pub(super) fn read(&self, given: &Given<'_>, base: &Path) -> Result<Parsed<T>, String> {
        let refused = || format!("must be {}, found {}", self.describe(), self.found(given));
        let text = || given.text().ok_or_else(refused);
        Ok(match self {
            Kind::Text(_) if given.text() == Some("") => {
                return Err("is empty; write its value, or remove the line".to_owned());
            }
            Kind::Text(set) => parsed(*set, text()?.to_owned(), |text| quoted(&masking::text(text))),
            Kind::Secret(set) => parsed(*set, text()?.to_owned(), |_| "\"…\"".to_owned()),
            Kind::Choice(names, set) => {
                let name = given.text().filter(|text| names.contains(text)).ok_or_else(refused)?;
                parsed(*set, name.to_owned(), |name| quoted(name))
            }
            // The errors of the parser hide the parts that may be secret.
            Kind::Address(set) => parsed(*set, text()?.parse()?, |address| quoted(&address.to_string())),
            Kind::Callback(set) => {
                parsed(*set, text()?.parse()?, |address: &Address| quoted(&format!("{}/…", address.origin())))
            }
            Kind::Path(set) => {
                let path = base.join(written_path::read(text()?.as_ref())?);
                parsed(*set, path, |path| quoted(&path.display().to_string()))
            }
            Kind::Number(least, most, set) => {
                let number = given.number().filter(|number| (least..=most).contains(&number));
                parsed(*set, number.ok_or_else(refused)?, u64::to_string)
            }
            Kind::Switch(set) => parsed(*set, given.switch().ok_or_else(refused)?, bool::to_string),
            Kind::Duration(set) => {
                parsed(*set, read_duration(text()?).ok_or_else(refused)?, |time| match time.subsec_millis() {
                    0 => format!("\"{}s\"", time.as_secs()),
                    _ => format!("\"{}ms\"", time.as_millis()),
                })
            }
            Kind::Size(set) => {
                let bytes =
                    given.number().or_else(|| given.text().and_then(read_size)).ok_or_else(refused)?;
                parsed(*set, bytes, u64::to_string)
            }
            Kind::List(_, set) => parsed(*set, given.list().ok_or_else(refused)?, quoted_list),
            Kind::Listen(set) => {
                parsed(*set, listen::read_all(&given.list().ok_or_else(refused)?)?, quoted_list)
            }
            Kind::Rates(set) => parsed(*set, rates::read(given)?, rates::display),
            Kind::Instant(set) => {
                parsed(*set, given.instant().ok_or_else(refused)?, |seconds| time::display(*seconds))
            }
        })
    }

    /// Formats a value that was refused.
    fn found(&self, given: &Given<'_>) -> String {
        match given {
            _ if matches!(self, Kind::Secret(_)) => "a value of another type".to_owned(),
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
}

fn parsed<T: 'static, V: 'static>(set: Set<T, V>, value: V, show: impl FnOnce(&V) -> String) -> Parsed<T> {
    Parsed { shown: show(&value), store: Box::new(move |draft| set(draft, value)) }
}

/// Converts a number that counts something in memory.
pub(super) fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Parses each item of a list. `what` describes the items in the error.
pub(super) fn each<I>(
    items: &[String],
    what: &str,
    parse: impl Fn(&str) -> Option<I>,
) -> Result<Vec<I>, String> {
    let bad = items.iter().filter(|item| parse(item).is_none());
    let bad: Vec<String> = bad.take(5).map(|item| excerpt::quoted(item).to_string()).collect();
    match bad.is_empty() {
        true => Ok(items.iter().filter_map(|item| parse(item)).collect()),
        false => Err(format!("must contain {what}, found {}", bad.join(", "))),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "keeps the setters of all keys alike")]
pub(super) fn assign<T>(place: &mut T, value: T) -> Result<(), String> {
    *place = value;
    Ok(())
}

#[expect(clippy::ptr_arg, reason = "it formats the value of a key as it is stored")]
fn quoted_list(items: &Vec<String>) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
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

    fn ignore<V>(_: &mut (), value: V) -> Result<(), String> {
        assign(&mut None, Some(value))
    }

    fn read(kind: &Kind<()>, text: &str) -> Result<String, String> {
        kind.read(&Given::Text(text), Path::new("/etc")).map(|parsed| parsed.shown)
    }

    #[test]
    fn only_values_of_the_right_kind_are_parsed() {
        for (kind, text, shown) in [
            (Kind::Duration(ignore), "500ms", "\"500ms\""),
            (Kind::Duration(ignore), "2m", "\"120s\""),
            (Kind::Size(ignore), "64 KiB", "65536"),
            (Kind::Size(ignore), "1000", "1000"),
            (Kind::Switch(ignore), "on", "true"),
            (Kind::List("names", ignore), "a, b", "[\"a\", \"b\"]"),
            (Kind::Secret(ignore), "a", "\"…\""),
        ] {
            assert_eq!(read(&kind, text).as_deref(), Ok(shown), "{text}");
        }
        for (kind, bad) in [
            (Kind::Duration(ignore), "10"),
            (Kind::Duration(ignore), "s"),
            (Kind::Duration(ignore), "1.5s"),
            (Kind::Duration(ignore), "99999999999999999999s"),
            (Kind::Size(ignore), "1MB"),
            (Kind::Size(ignore), "-1"),
            (Kind::Number(1, 5, ignore), "6"),
            (Kind::Switch(ignore), "yes"),
            (Kind::Choice(&["a"], ignore), "b"),
        ] {
            assert!(read(&kind, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn relative_paths_are_resolved_against_the_base() {
        assert_eq!(read(&Kind::Path(ignore), "a/b").unwrap(), "\"/etc/a/b\"");
        assert_eq!(read(&Kind::Path(ignore), "/a/b").unwrap(), "\"/a/b\"");
    }

    #[test]
    fn an_error_describes_the_accepted_values_and_shows_no_secret() {
        assert_eq!(
            read(&Kind::Number(1, 9, ignore), "x").unwrap_err(),
            "must be a number from 1 to 9, found \"x\""
        );
        let value = DeValue::parse("17").unwrap();
        let refused = Kind::Secret::<()>(ignore).read(&Given::Toml(value.get_ref()), Path::new(""));
        assert_eq!(refused.err().unwrap(), "must be a secret string, found a value of another type");
    }
}
