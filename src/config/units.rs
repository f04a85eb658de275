//! Parsing of durations and sizes: numbers with a unit.

use std::time::Duration;

/// Parses a duration such as `500ms`, `10s`, `2m`, `1h` or `7d`.
pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3_600)?)),
        "d" => Some(Duration::from_secs(number.checked_mul(86_400)?)),
        _ => None,
    }
}

/// Parses a size such as `64KiB` into bytes.
pub(super) fn read_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    // TOML integers are signed 64-bit numbers, so larger sizes could not be displayed as TOML.
    number.checked_mul(factor).filter(|size| i64::try_from(*size).is_ok())
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}
