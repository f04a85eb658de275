//! The query string of a call.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::{api::Error, excerpt};

/// The parameters that a call may carry, percent-decoded; others are ignored. Of a repeated one
/// the first counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub(super) sdkappid: Option<Cow<'a, str>>,
    pub(super) identifier: Option<Cow<'a, str>>,
    pub(super) usersig: Option<Cow<'a, str>>,
    /// A parameter that would be one of these if case did not matter.
    pub(super) look_alike: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    /// Reads a query string, and checks the parameters that only have to be well-formed.
    ///
    /// # Errors
    /// [`Error::Http`] for a bad escape, text that is not UTF-8, a `contenttype` other than `json`
    /// or a `random` that is no unsigned 32-bit number; both may be absent.
    pub(super) fn parse(text: &'a str) -> Result<Query<'a>, Error> {
        let mut query = Query::default();
        // Most clients encode nothing, and looking once is cheaper than per parameter.
        let encoded = memchr(b'%', text.as_bytes()).is_some();
        let decode = |text| if encoded { decode(text) } else { Ok(Cow::Borrowed(text)) };
        let ends = memchr_iter(b'&', text.as_bytes()).chain([text.len()]);
        let mut start = 0;
        for end in ends {
            let pair = &text[start..end];
            start = end + 1;
            if pair.is_empty() {
                continue;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key)?;
            let value = decode(value)?;
            match &*key {
                "sdkappid" => drop(query.sdkappid.get_or_insert(value)),
                "identifier" => drop(query.identifier.get_or_insert(value)),
                "usersig" => drop(query.usersig.get_or_insert(value)),
                "contenttype" if value != "json" => {
                    return Err(Error::Http(format!(
                        "the query parameter contenttype must be json, found {}",
                        shortened(&value)
                    )));
                }
                // Real clients send leading zeros; it is no nonce and only has to be a number.
                "random" if value.parse::<u32>().is_err() || value.starts_with('+') => {
                    return Err(Error::Http(format!(
                        "the query parameter random must be a number from 0 to 4294967295, found {}",
                        shortened(&value)
                    )));
                }
                other
                    if ["sdkappid", "identifier", "usersig"]
                        .iter()
                        .any(|name| other.eq_ignore_ascii_case(name)) =>
                {
                    query.look_alike = Some(key);
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

/// Undoes percent-encoding. A plus sign is a plus sign: clients build this string without encoding
/// it, so one in an identifier is meant.
fn decode(text: &str) -> Result<Cow<'_, str>, Error> {
    let bad = |what: &str| Error::Http(format!("the query string holds {what} in {}", shortened(text)));
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.extend(u8::try_from(high << 4 | low)),
            _ => return Err(bad("a % that is not followed by two hexadecimal digits")),
        }
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| bad("text that is not UTF-8"))
}

/// At most a few characters: a parameter may be a signature, which is not shown.
fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(16).take_while(|c| !"&?=;".contains(*c)).collect();
    excerpt::quoted(&shown).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_free_and_unknown_parameters_are_ignored() {
        let query =
            Query::parse("usersig=abc*-_&x=1&contenttype=json&random=079924292&&identifier=a%2Ab&sdkappid=7")
                .unwrap();
        assert_eq!(query.sdkappid.as_deref(), Some("7"));
        assert_eq!(query.identifier.as_deref(), Some("a*b"));
        assert_eq!(query.usersig.as_deref(), Some("abc*-_"));
    }

    #[test]
    fn a_plus_is_a_plus_and_keys_are_case_sensitive() {
        let query = Query::parse("identifier=a+b&SdkAppId=7").unwrap();
        assert_eq!(query.identifier.as_deref(), Some("a+b"));
        assert_eq!(query.sdkappid, None);
    }

    #[test]
    fn malformed_parameters_are_named() {
        for bad in [
            "identifier=%4",
            "identifier=%zz",
            "identifier=%ff",
            "contenttype=xml",
            "random=-1",
            "random=x",
            "random=4294967296",
            "random=",
            "random=+1",
        ] {
            assert!(matches!(Query::parse(bad), Err(Error::Http(_))), "{bad}");
        }
        assert!(Query::parse("random=4294967295&contenttype=json").is_ok());
        assert_eq!(Query::parse("").unwrap(), Query::default());
    }
}
