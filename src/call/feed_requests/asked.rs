//! The query parameters of the feed.

use std::time::Duration;

use crate::{
    call::{
        feed::Form,
        head::{Head, Header},
        query,
    },
    domain::AppId,
    excerpt::quoted,
    masking,
};

/// How long to wait for an entry, unless the query says otherwise, and at most.
const WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: u64 = 60;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) app: Option<AppId>,
    /// A cursor or `latest`.
    pub(super) after: Option<String>,
    pub(super) wait: Duration,
    pub(super) form: Form,
}

impl Asked {
    /// Reads the parameters and headers of a request. The first of a repeated parameter counts.
    ///
    /// # Errors
    /// Returns a message that names the parameter, the rule and what was found.
    pub(super) fn read(head: &Head<'_>) -> Result<Asked, String> {
        let parameter = |name: &str| -> Result<Option<String>, String> {
            let pairs = head.query.unwrap_or_default().split('&').map(|pair| pair.split_once('='));
            let found = pairs.flatten().find(|(key, _)| *key == name);
            match found.map(|(_, value)| query::decode(value)) {
                None => Ok(None),
                Some(Ok(value)) => Ok(Some(value.into_owned()).filter(|value| !value.is_empty())),
                Some(Err(error)) => Err(error.reply_text().info),
            }
        };
        let shown = |value: &str| quoted(&masking::text(value)).to_string();
        let app = match parameter("app")? {
            None => None,
            Some(text) => Some(text.parse().ok().and_then(AppId::new).ok_or_else(|| {
                format!(
                    "the query parameter app must be a decimal number from 1 to 4294967295, found {}",
                    shown(&text)
                )
            })?),
        };
        let wait = match parameter("wait")? {
            None => WAIT,
            Some(text) => match text.parse() {
                Ok(seconds @ 0..=LONGEST_WAIT) => Duration::from_secs(seconds),
                _ => {
                    return Err(format!(
                        "the query parameter wait must be a number of seconds from 0 to {LONGEST_WAIT}, found {}",
                        shown(&text)
                    ));
                }
            },
        };
        let resumed = head.text(Header::LastEventId).map(str::trim).filter(|id| !id.is_empty());
        let after = match resumed {
            Some(id) => Some(id.to_owned()),
            None => parameter("after")?,
        };
        let accepts = head.text(Header::Accept).unwrap_or_default();
        let is_stream = accepts.split(',').any(|range| {
            let kind = range.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case(super::EVENT_STREAM)
        });
        Ok(Asked { app, after, wait, form: if is_stream { Form::Events } else { Form::Object } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::pipeline_tests::{Listed, head};

    fn read(query: &str, headers: &[(Header, &str)]) -> Result<Asked, String> {
        let listed = headers.iter().map(|(name, value)| (*name, value.as_bytes().to_vec()));
        Asked::read(&head("GET", "/feed", Some(query), &Listed(listed.collect())))
    }

    #[test]
    fn parameters_and_headers_are_read() {
        let plain = Asked { app: None, after: None, wait: WAIT, form: Form::Object };
        assert_eq!(read("", &[]), Ok(plain));
        let asked = read("sdkappid=7&app=9&after=a%2Db&wait=0&app=8", &[]).unwrap();
        assert_eq!(
            (asked.app, asked.after.as_deref(), asked.wait),
            (AppId::new(9), Some("a-b"), Duration::ZERO)
        );
        // The header wins, because a client that reconnects repeats its first query.
        let resumed = read("after=old", &[(Header::LastEventId, " new "), (Header::Accept, "*/*")]).unwrap();
        assert_eq!((resumed.after.as_deref(), resumed.form), (Some("new"), Form::Object));
        assert_eq!(read("after=old", &[(Header::LastEventId, "")]).unwrap().after.as_deref(), Some("old"));
        for accept in ["text/event-stream", "text/html, Text/Event-Stream;q=0.5"] {
            assert_eq!(read("after=", &[(Header::Accept, accept)]).unwrap().form, Form::Events, "{accept}");
        }
    }

    #[test]
    fn a_bad_parameter_is_named() {
        for (bad, said) in [
            ("app=0", "the query parameter app must be"),
            ("app=x", "found \"x\""),
            ("wait=61", "the query parameter wait must be a number of seconds from 0 to 60, found \"61\""),
            ("wait=-1", "the query parameter wait"),
            ("after=%zz", "the query string contains a %"),
        ] {
            let found = read(bad, &[]).unwrap_err();
            assert!(found.contains(said), "{bad}: {found}");
        }
    }
}
