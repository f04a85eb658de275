//! Reports the result of an import as an answer, and reads from the query how strictly fields are checked.

use serde_json::json;

use super::answer::{Answer, Status};
use crate::{
    excerpt::{self, quoted},
    interchange::{ImportReport, UnknownFields},
    masking,
    wire::code::Code,
};

/// Creates the answer to an import. A refusal has the usual fields in addition to its list of faults.
pub(super) fn report(outcome: &ImportReport) -> Answer {
    let faults = (outcome.faults.iter())
        .map(|(line, reason)| json!({ "Line": line, "Reason": excerpt::line(reason) }));
    let mut body = json!({
        "Lines": outcome.lines,
        "Changed": outcome.changed,
        "Faults": faults.collect::<Vec<_>>(),
        "MoreFaults": outcome.more_faults,
        "Effect": outcome.tally,
    });
    let status = match outcome.faults.first() {
        None => Status::Ok,
        Some((line, reason)) => {
            let more = outcome.faults.len() as u64 - 1 + outcome.more_faults;
            let first = format!("line {line}: {reason}");
            body["ActionStatus"] = json!("FAIL");
            body["ErrorCode"] = json!(Code::PARAMETER.number());
            body["ErrorInfo"] = json!(match more {
                0 => excerpt::line(&first).into_owned(),
                // The number comes first, because a long text is shortened at its end.
                _ => excerpt::line(&format!("{more} more lines are bad, see Faults; {first}")).into_owned(),
            });
            Status::BadRequest
        }
    };
    Answer::json_with(status, body.to_string().into_bytes())
}

/// Reads the query parameter `lenient`, which allows unknown fields in lines.
///
/// # Errors
/// Returns a message when the value is neither 0 nor 1.
pub(super) fn unknown_fields(query: &str) -> Result<UnknownFields, String> {
    let said = query.split('&').find_map(|pair| match pair.split_once('=') {
        Some(("lenient", value)) => Some(value),
        None if pair == "lenient" => Some(""),
        _ => None,
    });
    match said {
        None | Some("0") => Ok(UnknownFields::Refused),
        Some("1") => Ok(UnknownFields::Ignored),
        Some(other) => Err(format!(
            "the query parameter lenient must be 0 or 1, found {}",
            quoted(&masking::text(other))
        )),
    }
}
