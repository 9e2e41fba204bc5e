//! The times in reports, in ISO 8601.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Milliseconds since 1970 of a time such as `2024-05-06T07:08:09`, with or without a fraction and an offset; UTC if it
/// has no offset. `None` for anything else, and for times before 1970.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    // A date alone is no time.
    text.contains(['T', ' ']).then_some(())?;
    let local = || TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    let at = text.parse::<Timestamp>().ok().or_else(local)?;
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time() {
        let cases = [
            ("1970-01-01T00:00:00", Some(0)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000_000)),
            ("2024-05-06T07:08:09.5+02:00", Some(1_714_972_089_500)),
            ("2024-05-06T07:08:09-0530", Some(1_714_999_089_000)),
            ("2026-12-31 23:59", Some(1_798_761_540_000)),
            ("1969-12-31T23:59:59", None),
            ("2024-13-01T00:00:00", None),
            ("2024-05-06", None),
            ("yesterday", None),
            ("2024-05-06T07:08:09+é", None),
        ];
        for (text, expected) in cases {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
