//! Formats times for people to read.

/// Formats seconds since 1970 as a date and time in UTC: `2026-11-27T10:00:00Z`.
#[must_use]
pub fn utc(seconds: i64) -> String {
    let (days, clock) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Let the year begin in March, so that the leap day is its last day.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock / 3_600, clock / 60 % 60, clock % 60)
}

/// Parses a date as HTTP writes it, such as `Wed, 21 Oct 2026 07:28:00 GMT`. The name of the day is not checked.
#[must_use]
pub fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let mut part = || parts.next();
    let (day, month, year, clock, zone) = (part()?, part()?, part()?, part()?, part()?);
    // The year begins in March, so that the leap day is its last day.
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let number = |text: &str, most: u64| text.parse::<u64>().ok().filter(|number| *number <= most);
    let (day, year) = (number(day, 31)?, number(year, 9_999)?.checked_sub(u64::from(month >= 10))?);
    let mut clock = clock.split(':');
    let mut next = |most| number(clock.next()?, most);
    let seconds = next(23)? * 3_600 + next(59)? * 60 + next(60)?;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    (zone == "GMT").then_some(days.checked_sub(719_469)? * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600)),
            ("Fri, 06 Jan 2023 10:04:26 GMT", Some(1_672_999_466)),
            ("Tue, 19 Jan 2038 03:14:08 GMT", Some(2_147_483_648)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Fri, 06 Jan 2023 10:04:26 CET", None),
            ("Fri, 06 Jan 99999999999 10:04:26 GMT", None),
            ("Fri, 06 Jam 2023 10:04:26 GMT", None),
            ("Fri, 06 Jan 2023 25:04:26 GMT", None),
            ("06 Jan 2023", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_what_the_calendar_says() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_825_600, "2000-02-29T12:00:00Z"),
            (1_672_999_466, "2023-01-06T10:04:26Z"),
            (2_147_483_648, "2038-01-19T03:14:08Z"),
            (253_402_300_800, "10000-01-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
        // A signature may contain any number of seconds, so the extremes must not overflow.
        for seconds in [i64::MIN, i64::MAX] {
            assert!(utc(seconds).ends_with('Z'));
        }
    }
}
