//! Conversion between dates in the configuration and seconds since 1970.

use toml::value::{Datetime, Offset};

use crate::domain::{UnixSeconds, utc};

/// Converts a date and time with a UTC offset. Returns `None` without an offset, because the instant would then depend on
/// the time zone.
pub(super) fn seconds(instant: Datetime) -> Option<UnixSeconds> {
    let (date, time, offset) = (instant.date?, instant.time?, instant.offset?);
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let clock =
        i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    u64::try_from(days * 86_400 + clock - minutes * 60).ok()
}

/// Formats seconds since 1970 as a date and time in UTC.
pub(super) fn display(seconds: UnixSeconds) -> String {
    utc(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar. March counts as the first month of a year, so that
/// a leap day is the last day of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_are_converted() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2023-01-06T18:04:26+08:00", 1_672_999_466),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
        ] {
            let read = seconds(text.parse().unwrap());
            assert_eq!(read, Some(expected), "{text}");
        }
        for bad in ["2027-01-01", "2027-01-01T00:00:00", "12:00:00"] {
            assert_eq!(seconds(bad.parse().unwrap()), None, "{bad}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives_a_round_trip() {
        for day in 0..146_097 {
            let at = day * 86_400 + 3_723;
            assert_eq!(seconds(display(at).parse().unwrap()), Some(at));
        }
    }
}
