//! The query parameters of controls.

use super::refusal::{Refused, bad};
use crate::{call::query::decode, excerpt::quoted, masking, routes::Property, wire::meant};

/// Refuses unknown and repeated parameters, because ignoring a misspelt one would widen the request.
pub(super) fn check_parameters(query: &str, known: &[Property]) -> Result<(), Refused> {
    let known: Vec<&str> = known.iter().map(|one| one.name).collect();
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let there = match &known[..] {
            [] => "; it takes none".to_owned(),
            known => match meant(name, known) {
                Some(other) => format!("; did you mean {other}?"),
                _ => format!("; it takes {}", known.join(", ")),
            },
        };
        if !known.contains(&name) {
            return Err(bad(format!(
                "this request has no parameter {}{there}",
                quoted(&masking::text(pair))
            )));
        }
        if seen.contains(&name) {
            return Err(bad(format!("the parameter {name} is given twice; give it once")));
        }
        if value.is_empty() {
            return Err(bad(format!("the parameter {name} is empty; omit it or give it a value")));
        }
        seen.push(name);
    }
    Ok(())
}

/// Returns a percent-decoded parameter of the query.
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, Refused> {
    let found = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    let Some((_, value)) = found else { return Ok(None) };
    decode(value).map(|value| Some(value.into_owned())).map_err(|error| bad(error.to_string()))
}

/// Returns a parameter that is a number.
pub(super) fn number(query: &str, name: &str) -> Result<Option<u32>, Refused> {
    let Some(text) = parameter(query, name)? else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| bad(format!("{name} must be a number from 0 to 4294967295, found {}", quoted(&text))))
}
