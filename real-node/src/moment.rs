//! Moments as people write them: RFC 3339.

use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::{LEAF_SECONDS_MAX, LEAF_SECONDS_MIN};
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What this machine's clock shows.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A moment as text, in whole seconds of UTC; as a number where the calendar ends.
#[must_use]
pub fn text(moment: UnixMillis) -> String {
    UnixMillis(moment.seconds() * 1000).to_string()
}

/// The moment that a text like `2026-11-22T18:00:00Z` names.
///
/// # Errors
/// If it names none, or one before 1970.
pub fn parse(text: &str) -> Result<UnixMillis, String> {
    let fault = || {
        format!(
            "{text:?} is not a valid time: expected RFC 3339 in UTC, such as \
        2026-11-22T18:00:00Z"
        )
    };
    let calendar = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| fault())?;
    let millis = calendar.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(millis).map(UnixMillis).map_err(|_| fault())
}

/// The seconds that a text like `24h`, `90m`, `7d` or `3600` (seconds) means.
///
/// # Errors
/// If it means none, or more than 32 bits hold.
pub fn parse_seconds(text: &str) -> Result<u32, String> {
    let fault = || format!("{text:?} is not a duration: expected one such as 45m, 24h or 7d");
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (Some(text), 1),
    };
    let number: u32 = number.and_then(|number| number.parse().ok()).ok_or_else(fault)?;
    number.checked_mul(unit).ok_or_else(fault)
}

/// The life of a certificate, as people write it.
///
/// # Errors
/// If it is no span of time, or none that a certificate may live.
pub fn parse_lifetime(text: &str) -> Result<u32, String> {
    let seconds = parse_seconds(text)?;
    let days = LEAF_SECONDS_MAX / 86_400;
    match (LEAF_SECONDS_MIN..=LEAF_SECONDS_MAX).contains(&seconds) {
        true => Ok(seconds),
        false => Err(format!(
            "the lifetime of a certificate must be from {} minutes to {days} \
            days",
            LEAF_SECONDS_MIN / 60
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_read_and_written_in_the_same_form() {
        assert_eq!(parse("1970-01-01T00:00:01Z"), Ok(UnixMillis(1000)));
        assert_eq!(parse("2026-11-22T19:00:00+01:00"), parse("2026-11-22T18:00:00Z"));
        assert_eq!(text(parse("2026-11-22T18:00:00Z").unwrap()), "2026-11-22T18:00:00Z");
        assert!(parse("yesterday").is_err() && parse("1969-12-31T23:59:59Z").is_err());
        assert_eq!(text(UnixMillis(1999)), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn spans_have_units_and_bounds() {
        assert_eq!(parse_seconds("24h"), Ok(86_400));
        assert_eq!(parse_seconds("45m"), Ok(2_700));
        assert_eq!(parse_seconds("7d"), Ok(604_800));
        assert_eq!(parse_seconds("90"), Ok(90));
        assert!(
            ["", "h", "-1h", "1w", "9999999d", "1.5h", "1ü"].iter().all(|text| parse_seconds(text).is_err())
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}", digits in "[0-9]{0,12}[smhdw]?") {
            let _moment = parse(&text);
            let _span = (parse_seconds(&text), parse_seconds(&digits));
        }
    }
}
