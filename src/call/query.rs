//! The query string of a call.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::{api::Error, auth::LookAlike, excerpt, wire::nearest};

/// The parameters of a call, percent-decoded. Others are ignored, and the first of a repeated one counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub(super) sdkappid: Option<Cow<'a, str>>,
    pub(super) identifier: Option<Cow<'a, str>>,
    pub(super) usersig: Option<Cow<'a, str>>,
    /// The value of `random`, exactly as it was sent. It has no effect, and only strict mode checks that it is a
    /// number.
    random: Option<&'a str>,
    /// Parameters that are probably meant to be a missing one.
    pub(super) look_alikes: Vec<LookAlike>,
}

/// The names of the parameters, with other names that clients use by mistake.
const NAMES: [(&str, &[&str]); 4] = [
    ("sdkappid", &["app", "appid", "sdkapp", "sdkid"]),
    (
        "identifier",
        &["account", "accountid", "admin", "adminid", "identity", "uid", "user", "userid", "username"],
    ),
    ("usersig", &["sig", "sign", "signature", "usersignature"]),
    ("contenttype", &[]),
];

/// The maximum number of look-alikes that are reported, and the maximum length of each.
const LOOK_ALIKES: usize = 8;
const LOOK_ALIKE_BYTES: usize = 40;

impl<'a> Query<'a> {
    /// Parses a query string, and checks the parameters that only have to be well-formed.
    ///
    /// # Errors
    /// Returns [`Error::Http`] for a bad escape, text that is not UTF-8, or a `contenttype` other than `json`, which
    /// may be missing. `random` may be anything (decision 27).
    pub(super) fn parse(text: &'a str) -> Result<Query<'a>, Error> {
        let mut query = Query::default();
        // Most clients do not encode anything, and one search is cheaper than one per parameter.
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
            let (key, value) = match memchr(b'=', pair.as_bytes()) {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, ""),
            };
            let key = decode(key)?;
            if key == "random" {
                // It may be anything, so it is not decoded either.
                query.random.get_or_insert(value);
                continue;
            }
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
                _ => {}
            }
        }
        let required = [&query.sdkappid, &query.identifier, &query.usersig];
        if required.iter().any(|value| value.as_deref().unwrap_or_default().is_empty()) {
            query.look_alikes = query.find_look_alikes(text);
        }
        Ok(query)
    }

    /// Checks parameters that are ignored outside strict mode.
    ///
    /// # Errors
    /// Returns [`Error::Http`] for a `random` that is not an unsigned 32-bit number. It may be missing and may have
    /// leading zeros.
    pub(super) fn check_strictly(&self) -> Result<(), Error> {
        let Some(sent) = self.random else { return Ok(()) };
        let random = decode(sent)?;
        match random.parse::<u32>() {
            Ok(_) if !random.starts_with('+') => Ok(()),
            _ => Err(Error::Http(format!(
                "the query parameter random must be a number from 0 to 4294967295 (strict mode), found {}",
                shortened(&random)
            ))),
        }
    }

    /// Searches a query string for misspelt names of missing parameters.
    fn find_look_alikes(&self, text: &str) -> Vec<LookAlike> {
        let is_missing = |name| match name {
            "sdkappid" => self.sdkappid.as_deref().unwrap_or_default().is_empty(),
            "identifier" => self.identifier.as_deref().unwrap_or_default().is_empty(),
            "usersig" => self.usersig.is_none(),
            _ => true,
        };
        (text.split('&'))
            .filter_map(|pair| decode(pair.split('=').next()?).ok())
            .filter(|key| !NAMES.iter().any(|(name, _)| name == key))
            .filter_map(|key| Some(LookAlike { meant: meant_by(&key)?, found: key.into_owned() }))
            .filter(|one| is_missing(one.meant))
            .take(LOOK_ALIKES)
            .collect()
    }
}

/// Returns the parameter that a key probably means: in another case, with separators, after an ampersand that was
/// escaped for HTML, under another common name, or with a typing error.
fn meant_by(key: &str) -> Option<&'static str> {
    if key.len() > LOOK_ALIKE_BYTES {
        return None;
    }
    let mut plain = key.to_ascii_lowercase();
    while let Some(rest) = plain.strip_prefix("amp;") {
        plain = rest.to_owned();
    }
    plain.retain(|character| character.is_ascii_alphanumeric());
    let known = NAMES.iter().find(|(name, others)| *name == plain || others.contains(&plain.as_str()));
    known.map(|(name, _)| *name).or_else(|| nearest(&plain, NAMES.iter().map(|(name, _)| *name)))
}

/// Decodes percent-encoding. A plus sign is kept, because clients build this string without encoding it.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, Error> {
    let bad = |what: &str| Error::Http(format!("the query string contains {what} in {}", shortened(text)));
    let is_escape = |rest: &str| matches!(rest.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_escape) {
        return Err(bad("a % that is not followed by two hexadecimal digits"));
    }
    percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| bad("text that is not UTF-8"))
}

/// Returns a few characters at most, because the parameter may be a signature, which must not be shown.
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
    fn a_plus_sign_is_kept_and_keys_are_case_sensitive() {
        let query = Query::parse("identifier=a+b&SdkAppId=7").unwrap();
        assert_eq!(query.identifier.as_deref(), Some("a+b"));
        assert_eq!(query.sdkappid, None);
    }

    #[test]
    fn malformed_parameters_are_named() {
        for bad in ["identifier=%4", "identifier=%zz", "identifier=%ff", "contenttype=xml", "x=%", "%ff=1"] {
            assert!(matches!(Query::parse(bad), Err(Error::Http(_))), "{bad}");
        }
        assert!(Query::parse("contenttype=json").is_ok());
        assert_eq!(Query::parse("").unwrap(), Query::default());
    }

    #[test]
    fn random_may_be_anything_except_in_strict_mode() {
        let numbers = ["", "random=0", "random=4294967295", "random=079924292", "r%61ndom=%37"];
        let others = [
            "random",
            "random=",
            "random=x",
            "random=-1",
            "random=+1",
            "random=1.5",
            "random=%2B1",
            "random=4294967296",
            "random=1764237600123",
            "random=123456789012345678901234567",
            "random=6f1c7ad2-3f0e-4a7e-9b0e-2f6f3b1b5c11",
            "random=%zz",
            "random=%ff",
            "random=%",
        ];
        for text in numbers {
            assert!(Query::parse(text).unwrap().check_strictly().is_ok(), "{text}");
        }
        for text in others {
            let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(matches!(query.check_strictly(), Err(Error::Http(_))), "{text}");
        }
    }

    #[test]
    fn look_alikes_of_missing_parameters_are_found_in_every_spelling() {
        for (meant, spellings) in [
            (
                "sdkappid",
                vec!["SdkAppId", "SDKAppID", "SdkAppid", "sdk_app_id", "sdk-appid", "appid", "AppId"],
            ),
            (
                "sdkappid",
                vec![
                    "amp;sdkappid",
                    "AMP;SdkAppId",
                    "amp;amp;sdkappid",
                    "?sdkappid",
                    "%20sdkappid",
                    "sdkapid",
                ],
            ),
            ("identifier", vec!["Identifier", "userid", "UserID", "user_id", "amp;identifier", "identifer"]),
            ("usersig", vec!["UserSig", "userSig", "user_sig", "User-Sig", "amp;usersig", "sig", "usersign"]),
            ("contenttype", vec!["contentType", "content_type", "Content-Type", "amp;contenttype"]),
        ] {
            for key in spellings {
                let found = decode(key).unwrap().into_owned();
                let text = format!("{key}=7");
                assert_eq!(Query::parse(&text).unwrap().look_alikes, [LookAlike { found, meant }], "{key}");
            }
        }
    }

    #[test]
    fn only_missing_parameters_have_look_alikes_and_their_number_is_limited() {
        let look_alikes = |text: &str| Query::parse(text).unwrap().look_alikes;
        assert_eq!(look_alikes("sdkappid=7&identifier=a&usersig=x&UserSig=y&appid=7"), []);
        assert_eq!(look_alikes("sdkappid=7&usersig=x&appid=7&random=1&x=y&amp;x=y"), []);
        assert_eq!(look_alikes("sdkappid=&appid=7").len(), 1, "an empty parameter counts as missing");
        assert_eq!(look_alikes(&"UserSig=x&".repeat(100)).len(), LOOK_ALIKES);
        assert_eq!(look_alikes(&format!("{}sdkappid=7", "_".repeat(8_000))), []);
    }
}
