//! Parsing of call rates: one number for all commands, or numbers for single commands.

use toml::de::DeValue;

use super::given::Given;
use crate::{api::Command, auth::CallRates, excerpt::quoted, wire::nearest};

/// The accepted forms, for messages and documentation.
pub(super) const DESCRIPTION: &str = "a number of calls (1 or more), or numbers for single commands, such as \
                                      { get_contact_group = 500, others = 100 }";

/// The name that stands for all commands not named.
const OTHERS: &str = "others";

/// Parses rates.
///
/// # Errors
/// Returns what is wrong. The message continues a sentence that begins with the name of the key.
pub(super) fn read(given: &Given<'_>) -> Result<CallRates, String> {
    let mut rates = CallRates::default();
    match given {
        Given::Text(text) => {
            let text = text.trim();
            // Accept the braces of the TOML form, too.
            let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
            for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                let (name, rate) = part.split_once('=').unwrap_or((OTHERS, part));
                put(&mut rates, name.trim(), &Given::Text(rate.trim()))?;
            }
        }
        Given::Toml(DeValue::Table(table)) => {
            for (name, rate) in table {
                put(&mut rates, name.get_ref(), &Given::Toml(rate.get_ref()))?;
            }
        }
        Given::Toml(_) => put(&mut rates, OTHERS, given)?,
    }
    match rates == CallRates::default() {
        true => Err(format!("must be {DESCRIPTION}, but it is empty")),
        false => Ok(rates),
    }
}

/// Parses rates from the value of a command-line option.
///
/// # Errors
/// Returns what is wrong. The message continues a sentence that begins with the name of the option.
pub fn read_rates(text: &str) -> Result<CallRates, String> {
    read(&Given::Text(text))
}

fn put(rates: &mut CallRates, name: &str, given: &Given<'_>) -> Result<(), String> {
    let rate = given.number().and_then(|rate| u32::try_from(rate).ok()).filter(|rate| *rate > 0);
    let rate = rate.ok_or_else(|| {
        let found = match given {
            Given::Text(text) => quoted(text).to_string(),
            Given::Toml(value) => match value {
                DeValue::String(text) => quoted(text).to_string(),
                DeValue::Integer(number) => number.to_string(),
                other => format!("a TOML {}", other.type_str()),
            },
        };
        let of = if name == OTHERS { String::new() } else { format!(" for {}", quoted(name)) };
        format!("must be {DESCRIPTION}, found {found}{of}; to allow any number of calls, set limits.rate_limit = false")
    })?;
    if name == OTHERS {
        rates.others = Some(rate);
        return Ok(());
    }
    let mut names = Command::ALL.iter().map(|command| command.name());
    let Some(command) = names.clone().find(|command| *command == name) else {
        let hint = nearest(name, names.by_ref()).map_or_else(
            || format!("; {OTHERS} stands for all commands that are not named"),
            |other| format!("; did you mean {other}?"),
        );
        return Err(format!("names {}, which is not a command{hint}", quoted(name)));
    };
    rates.named.push((command, rate));
    Ok(())
}

/// Formats rates as TOML.
pub(super) fn display(rates: &CallRates) -> String {
    if let (true, Some(every)) = (rates.named.is_empty(), rates.others) {
        return every.to_string();
    }
    let others = rates.others.map(|rate| (OTHERS, rate));
    let all = rates.named.iter().copied().chain(others).map(|(name, rate)| format!("{name} = {rate}"));
    format!("{{ {} }}", all.collect::<Vec<_>>().join(", "))
}
