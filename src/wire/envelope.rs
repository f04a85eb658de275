//! The fields that every reply has.

use serde::Serialize;

use super::code::Code;
use crate::{domain::ChangeNumber, excerpt};

/// How the documentation of a command arranges the base fields. Clients may depend on that arrangement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFields {
    /// After the payload: `ActionStatus`, `ErrorCode`, `ErrorInfo`.
    Last,
    /// After the payload, followed by `ErrorDisplay` (in the samples of create, mark and search).
    LastWithDisplay,
    /// Before the payload, in the order `ActionStatus`, `ErrorCode`, `ErrorInfo` (account service).
    First,
    /// Before the payload, in the order `ActionStatus`, `ErrorInfo`, `ErrorCode`; a refusal has the usual order (group
    /// service).
    FirstInfoBeforeCode,
    /// The same, and a refusal has this order as well (the service `openim`, and `kick`).
    FirstInfoBeforeCodeAlways,
    /// The order of the group service, and a refusal ends with an empty `ImportMsgResult`, without which a typed client cannot
    /// read it.
    FirstWithImportMsgResult,
}

/// Writes complete replies.
#[derive(Debug)]
pub struct Envelope;

impl Envelope {
    /// Returns a successful reply that contains `payload`, a struct that serializes to an object.
    pub fn ok(base: BaseFields, payload: &impl Serialize) -> Vec<u8> {
        let payload = serde_json::to_vec(payload).expect("replies can always be written as JSON");
        let members = &payload[1..payload.len() - 1];
        let mut out = Vec::with_capacity(payload.len() + 96);
        out.push(b'{');
        match base {
            BaseFields::Last | BaseFields::LastWithDisplay => {
                out.extend_from_slice(members);
                if !members.is_empty() {
                    out.push(b',');
                }
                Self::close_ok(base, &mut out);
                return out;
            }
            BaseFields::First => {
                out.extend_from_slice(br#""ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"""#);
            }
            BaseFields::FirstInfoBeforeCode
            | BaseFields::FirstInfoBeforeCodeAlways
            | BaseFields::FirstWithImportMsgResult => {
                out.extend_from_slice(br#""ActionStatus":"OK","ErrorInfo":"","ErrorCode":0"#);
            }
        }
        if !members.is_empty() {
            out.push(b',');
            out.extend_from_slice(members);
        }
        out.push(b'}');
        out
    }

    /// Appends the base fields of a successful reply and the closing brace. The caller has written the
    /// payload, including the comma after it.
    pub fn close_ok(base: BaseFields, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"""#);
        if base == BaseFields::LastWithDisplay {
            out.extend_from_slice(br#","ErrorDisplay":"""#);
        }
        out.push(b'}');
    }

    /// Appends the end of a reply with a page of records: whether it is the last page, where the next one begins, and the
    /// base fields.
    #[inline]
    pub fn close_page(base: BaseFields, next: Option<ChangeNumber>, out: &mut Vec<u8>) {
        out.extend_from_slice(match next {
            None => br#","CompleteFlag":1,"NextStartIndex":"#,
            Some(_) => br#","CompleteFlag":0,"NextStartIndex":"#,
        });
        out.extend_from_slice(itoa::Buffer::new().format(next.unwrap_or(0)).as_bytes());
        out.push(b',');
        Envelope::close_ok(base, out);
    }

    /// Returns a reply with one more field, a text, in front of all others.
    #[must_use]
    pub fn beginning_with(name: &str, value: &str, reply: &[u8]) -> Vec<u8> {
        let members = reply.strip_prefix(b"{").unwrap_or(reply);
        let mut out = Vec::with_capacity(reply.len() + name.len() + value.len() + 8);
        out.push(b'{');
        serde_json::to_writer(&mut out, name).expect("writing to memory cannot fail");
        out.push(b':');
        serde_json::to_writer(&mut out, value).expect("writing to memory cannot fail");
        if members != b"}" {
            out.push(b',');
        }
        out.extend_from_slice(members);
        out
    }

    /// Returns a refusal: the base fields in the order of real replies, and no payload. `base` is `None`
    /// if the call did not reach a command. `info` is made printable and is cut at
    /// [`excerpt::MESSAGE_BYTES`] (decision 35).
    #[must_use]
    pub fn fail(base: Option<BaseFields>, code: Code, info: &str) -> Vec<u8> {
        let info = excerpt::line(info);
        let mut out = Vec::with_capacity(info.len() + 80);
        let mut digits = itoa::Buffer::new();
        let code = digits.format(code.number()).as_bytes();
        out.extend_from_slice(br#"{"ActionStatus":"FAIL""#);
        let is_code_last = base == Some(BaseFields::FirstInfoBeforeCodeAlways);
        if !is_code_last {
            out.extend_from_slice(br#","ErrorCode":"#);
            out.extend_from_slice(code);
        }
        out.extend_from_slice(br#","ErrorInfo":"#);
        serde_json::to_writer(&mut out, &*info).expect("writing to memory cannot fail");
        if is_code_last {
            out.extend_from_slice(br#","ErrorCode":"#);
            out.extend_from_slice(code);
        }
        match base {
            Some(BaseFields::LastWithDisplay) => out.extend_from_slice(br#","ErrorDisplay":"""#),
            Some(BaseFields::FirstWithImportMsgResult) => out.extend_from_slice(br#","ImportMsgResult":[]"#),
            _ => {}
        }
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Payload {
        #[serde(rename = "GroupId", skip_serializing_if = "Option::is_none")]
        group: Option<u32>,
    }

    fn ok(base: BaseFields, group: Option<u32>) -> String {
        String::from_utf8(Envelope::ok(base, &Payload { group })).unwrap()
    }

    #[test]
    fn base_fields_are_where_the_samples_show_them() {
        use BaseFields::{First, FirstInfoBeforeCode, Last, LastWithDisplay};
        assert_eq!(ok(Last, Some(1)), r#"{"GroupId":1,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#);
        assert_eq!(
            ok(LastWithDisplay, None),
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
        );
        assert_eq!(ok(First, Some(1)), r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","GroupId":1}"#);
        assert_eq!(ok(First, None), r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#);
        assert_eq!(
            ok(FirstInfoBeforeCode, Some(1)),
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"GroupId":1}"#
        );
    }

    #[test]
    fn a_refusal_has_no_payload_and_escapes_its_text() {
        let fail = |base| String::from_utf8(Envelope::fail(base, Code::HTTP, "say \"x\"")).unwrap();
        assert_eq!(fail(None), r#"{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"say \"x\""}"#);
        assert_eq!(fail(Some(BaseFields::FirstInfoBeforeCode)), fail(None));
        assert_eq!(
            fail(Some(BaseFields::FirstInfoBeforeCodeAlways)),
            r#"{"ActionStatus":"FAIL","ErrorInfo":"say \"x\"","ErrorCode":60002}"#
        );
        assert_eq!(
            fail(Some(BaseFields::LastWithDisplay)),
            r#"{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"say \"x\"","ErrorDisplay":""}"#
        );
    }
}
