//! What became of lines, as an answer; and how strictly their fields are read, as a query says it.

use serde_json::json;

use super::answer::{Answer, Status};
use crate::{
    excerpt::{self, quoted},
    interchange::{Outcome, UnknownFields},
    masking,
    wire::code::Code,
};

/// The answer to lines that were taken or refused. A refusal has the fields of all others beside its list of faults.
pub(super) fn report(outcome: &Outcome) -> Answer {
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
                // The beginning is the part that a long reason can do with.
                _ => excerpt::line(&format!("{more} more lines are bad, see Faults; {first}")).into_owned(),
            });
            Status::BadRequest
        }
    };
    Answer::json_with(status, body.to_string().into_bytes())
}

/// What a query says about fields that lines cannot have, by `lenient=1`.
///
/// # Errors
/// What is wrong with its value.
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
