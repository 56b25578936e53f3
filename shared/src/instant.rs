//! Strict parsing of dates and instants: RFC 3339, the basic offset `+0530`, and optional seconds. Missing parts are
//! not guessed: `25-12-10` is not a day of the year 25, and `:60` is not the next second.

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};

use crate::clock;

/// The form of an instant, for messages.
pub const FORM: &str =
    "an ISO 8601 date and time with an offset, such as 2025-12-15T14:00:00Z or 2025-12-15T19:30:00+05:30";

/// The largest offset of an inhabited place, in minutes (Kiribati, UTC+14).
const MAX_OFFSET_MINUTES: i32 = 14 * 60;

/// Parses an instant such as `2025-12-15T19:30:00.25+05:30`, in whole microseconds, in the years 1 to 9998 of UTC.
///
/// `t` and `z` are accepted (RFC 3339, 5.6). Leap seconds are refused, because no database stores them.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let (time, offset) = rest.split_at_checked(rest.find(['Z', 'z', '+', '-'])?)?;
    let local = parse_date(date)?.and_time(parse_time(time)?);
    let instant =
        clock::whole_microseconds(local.and_local_timezone(parse_offset(offset)?).single()?.to_utc());
    // Outside of these years, the databases format instants differently.
    (1..=9998).contains(&instant.year()).then_some(instant)
}

/// Deserializes an instant by the same rules.
///
/// # Errors
/// The value is neither an instant nor `null`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text).ok_or_else(|| D::Error::custom(format!("an instant must be {FORM}"))))
        .transpose()
}

/// Parses a day such as `1990-05-15`, in the years 1 to 9999.
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let [year, month, day] = numbers(text, "0000-00-00")?;
    let year = i32::try_from(year).ok().filter(|year| *year >= 1)?;
    NaiveDate::from_ymd_opt(year, month, day)
}

fn parse_time(text: &str) -> Option<NaiveTime> {
    if let Some([hour, minute]) = numbers(text, "00:00") {
        return NaiveTime::from_hms_opt(hour, minute, 0);
    }
    let (time, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let [hour, minute, second] = numbers(time, "00:00:00")?;
    // One to nine decimals of a second.
    let [fraction] = numbers(decimals, "000000000".get(..decimals.len())?)?;
    let missing = u32::try_from(9 - decimals.len()).ok()?;
    NaiveTime::from_hms_nano_opt(hour, minute, second, fraction * 10_u32.pow(missing))
}

fn parse_offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return FixedOffset::east_opt(0).filter(|_| matches!(text, "Z" | "z")),
    };
    let [hours, minutes] = match numbers(digits, "0000") {
        Some([number]) => [number / 100, number % 100],
        None => numbers(digits, "00:00")?,
    };
    let offset = i32::try_from(hours * 60 + minutes).ok().filter(|offset| *offset <= MAX_OFFSET_MINUTES)?;
    if minutes < 60 { FixedOffset::east_opt(sign * offset * 60) } else { None }
}

/// The numbers of a text that has this form, in which `0` stands for any ASCII digit.
fn numbers<const N: usize>(text: &str, form: &str) -> Option<[u32; N]> {
    let fits = |(byte, form): (u8, u8)| byte == form || (form == b'0' && byte.is_ascii_digit());
    if text.len() != form.len() || !text.bytes().zip(form.bytes()).all(fits) {
        return None;
    }
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(text.split(['-', ':'])) {
        *number = digits.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rules, and texts that break each of them.
    const NOT_INSTANTS: [(&str, &str); 7] = [
        (
            "digits",
            "25-12-10T10:00:00Z|5-1-2T3:4Z|2025-1-2T3:4:5Z|2025-12-1T10:00:00Z|02025-12-10T10:00:00Z|\
             +02025-12-10T10:00:00Z|+2025-12-10T10:00:00Z|-2025-12-10T10:00:00Z|\
             12025-12-10T10:00:00Z|２０２５-12-10T10:00:00Z|२०२५-12-10T10:00:00Z",
        ),
        (
            "ranges",
            "2025-12-10T10:00:60Z|2016-12-31T23:59:60Z|2025-12-10T10:60:00Z|2025-12-10T24:00:00Z|\
             2025-12-10T24:00Z|2025-02-30T10:00:00Z|2023-02-29T10:00:00Z|2025-13-10T10:00:00Z|\
             2025-00-10T10:00:00Z|2025-12-00T10:00:00Z|0000-12-10T10:00:00Z|9999-12-10T10:00:00Z|\
             0001-01-01T00:00:00+00:01",
        ),
        (
            "white space",
            "2025-12-10 10:00:00Z|2025-12-10T 10:00:00Z|2025-12-10T10: 00:00Z|2025-12-10T10:00:00 Z|\
             2025-12-10T10:00:00 +05:30|2025-12-10T10:00:00+05 :30| 2025-12-10T10:00:00Z|\
             2025-12-10T10:00:00Z |\n2025-12-10T10:00:00Z|2025-12-10T10:00:00Z\n|\
             \t2025-12-10T10:00:00Z|2025-12-10T10:00:00Z\0|\u{feff}2025-12-10T10:00:00Z",
        ),
        ("parts", "2025-12-10T10:00:00|2025-12-10|2025-12-10Z|2025-12-10T10Z||1733824800|now"),
        (
            "notations",
            "20251210T100000Z|2025-12-10T100000Z|2025-W50-3T10:00:00Z|2025-344T10:00:00Z|\
             2025/12/10T10:00:00Z|10-12-2025T10:00:00Z|Wed, 10 Dec 2025 10:00:00 GMT",
        ),
        (
            "fractions and signs",
            "2025-12-10T10:00:00.Z|2025-12-10T10:00.5Z|2025-12-10T10:00:00,5Z|\
             2025-12-10T10:00:00.1234567890Z|2025-12-10T10:00:00.-5Z|2025-12-10T+1:00:00Z",
        ),
        (
            "offsets",
            "2025-12-10T10:00:00+05|2025-12-10T10:00:00+5:30|2025-12-10T10:00:00+530|\
             2025-12-10T10:00:00+05:3|2025-12-10T10:00:00+05:60|2025-12-10T10:00:00+14:01|\
             2025-12-10T10:00:00-15:00|2025-12-10T10:00:00+24:00|2025-12-10T10:00:00+99:99|\
             2025-12-10T10:00:00\u{2212}05:30|2025-12-10T10:00:00+-5:30|2025-12-10T10:00:00ZZ|\
             2025-12-10T10:00:00Z+05:30|2025-12-10T10:00:00UTC|2025-12-10T10:00:00[Asia/Kolkata]",
        ),
    ];

    #[test]
    fn the_forms_that_are_read() {
        for (text, instant) in [
            ("2025-12-10T10:00:00Z", "2025-12-10T10:00:00Z"),
            ("2025-12-10t10:00:00z", "2025-12-10T10:00:00Z"),
            ("2025-12-10T10:00Z", "2025-12-10T10:00:00Z"),
            ("2025-12-10T10:00+0530", "2025-12-10T04:30:00Z"),
            ("2025-12-10T10:00:00.123456789+05:30", "2025-12-10T04:30:00.123456Z"),
            ("2025-12-10T10:00:00.5-00:00", "2025-12-10T10:00:00.500Z"),
            ("2025-12-10T00:00:00+14:00", "2025-12-09T10:00:00Z"),
            ("2025-12-10T23:59:59-1400", "2025-12-11T13:59:59Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9998-12-31T23:59:59.999999Z", "9998-12-31T23:59:59.999999Z"),
        ] {
            let parsed = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(parsed.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true), instant, "{text}");
        }
    }

    #[test]
    fn malformed_instants_are_refused() {
        for (rule, texts) in NOT_INSTANTS {
            for text in texts.split('|') {
                assert_eq!(parse(text), None, "{rule}: {text:?}");
            }
        }
    }

    #[test]
    fn days_that_exist() {
        for text in ["1990-05-15", "2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(parse_date(text).map(|date| date.to_string()).as_deref(), Some(text));
        }
        let no_days = "|90-05-15|1990-5-15|1990-05-5|01990-05-15|+1990-05-15|-1990-05-15|0000-01-01|2023-02-29|1990-02-30|\
                       1990-13-01|1990-00-01|1990-01-00|19900515|1990/05/15|15-05-1990|1990-05-15T00:00:00Z| 1990-05-15|\
                       1990-05-15 |1990-05-15\n|1990 -05-15|१९९०-05-15|1990\u{2010}05\u{2010}15";
        for text in no_days.split('|') {
            assert_eq!(parse_date(text), None, "{text:?}");
        }
    }

    proptest! {
        /// Every instant that is read has the same value for chrono's parser of RFC 3339.
        #[test]
        fn another_parser_agrees(
            text in "[0-9]{3,5}-[01]?[0-9]-[0-3]?[0-9][Tt ][0-2]?[0-9]:[0-6]?[0-9]:[0-6]?[0-9](\\.[0-9]{0,10})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])"
        ) {
            if let Some(instant) = parse(&text) {
                let other = DateTime::parse_from_rfc3339(&text).unwrap().to_utc();
                prop_assert_eq!(instant, clock::whole_microseconds(other));
            }
        }
    }
}
