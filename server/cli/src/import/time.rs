//! ISO 8601 points in time, as reports have them.

/// Milliseconds since 1970 of `2024-05-06T07:08:09`, with or without a fraction and an offset; without one it is taken as
/// UTC. None where it is something else, or before 1970.
pub fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at_checked(at)?;
    let mut clock = time.splitn(3, ':');
    let (hour, minute) = (clock.next()?.parse::<i64>().ok()?, clock.next()?.parse::<i64>().ok()?);
    let second = clock.next().map_or(Some(0.0), |second| second.parse::<f64>().ok())?;
    let is_sound = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..61.0).contains(&second);
    if !is_sound {
        return None;
    }
    let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - offset_minutes(offset)?;
    #[expect(clippy::cast_possible_truncation, reason = "less than 61,000")]
    let milliseconds = (second * 1000.0).round() as i64;
    u64::try_from(minutes * 60_000 + milliseconds).ok()
}

/// Of `+02:00`, `-0530`, `Z` or nothing.
fn offset_minutes(text: &str) -> Option<i64> {
    let sign = match text.chars().next() {
        None | Some('Z') => return Some(0),
        Some('-') => -1,
        Some(_) => 1,
    };
    let digits: String = text.chars().skip(1).filter(|letter| *letter != ':').collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..4).map_or(Some(0), |minutes| minutes.parse().ok())?;
    Some(sign * (hours * 60 + minutes))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let in_year = before.get(usize::try_from(month - 1).unwrap_or_default()).copied().unwrap_or_default() + day - 1;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + in_year + i64::from(is_leap && month > 2)
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
