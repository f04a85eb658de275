//! Access to the members of the JSON object in a UserSig.

use std::fmt;

use serde_json::Value;

use crate::Flaw;

/// Fields of version 1 only, as written by the libraries called `tls-sig-api`.
const ONLY_IN_VERSION_1: [&str; 6] = [
    "TLS.account_type",
    "TLS.3rd_appid",
    "TLS.appid_at_3rd",
    "TLS.expire_after",
    "TLS.sdk_appid",
    "TLS.version",
];

/// The members of the JSON object, including duplicates. Duplicates must be detected, because parsers differ in which one
/// they use, and a signature could mean different things to different servers.
pub(crate) struct Members(Vec<(String, Value)>);

impl Members {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// Returns whether this is a signature of version 1: its version says so, or it has no version but fields of version 1.
    pub(crate) fn are_of_version_1(&self) -> bool {
        let mut versions = self.0.iter().filter(|(name, _)| name == "TLS.ver").map(|(_, version)| version);
        match versions.next() {
            Some(Value::String(version)) => version.starts_with('1'),
            Some(Value::Number(version)) => {
                version.as_f64().is_some_and(|number| (1.0..2.0).contains(&number))
            }
            Some(_) => false,
            None => ONLY_IN_VERSION_1.iter().any(|name| self.has(name)),
        }
    }

    fn get(&self, name: &'static str) -> Result<&Value, Flaw> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value),
            _ => Err(Flaw::Field(name)),
        }
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Flaw> {
        self.get(name)?.as_str().ok_or(Flaw::Field(name))
    }

    /// Returns a number. Some libraries write it as a decimal string; then only the canonical form is accepted, because the
    /// HMAC is computed over the number.
    pub(crate) fn number(&self, name: &'static str) -> Result<i64, Flaw> {
        let value = self.get(name)?;
        let from_text = || {
            value
                .as_str()
                .and_then(|text| text.parse().ok().filter(|number: &i64| number.to_string() == text))
        };
        value.as_i64().or_else(from_text).ok_or(Flaw::Field(name))
    }
}

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Object;

        impl<'de> serde::de::Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
