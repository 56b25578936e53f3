//! Values of `careq-sync clinic configure`: a value of the clinic's own, or `default`.

use careq_shared::clinics::Setting;
use careq_shared::networks::Networks;

/// The highest rate and burst.
const MAX_RATE: u32 = 1_000_000;

/// `answer_within_ms`, in milliseconds.
pub(super) fn answer_within_ms(text: &str) -> Result<Setting<u16>, String> {
    own_or_default(text, |text| text.parse().ok().filter(|wait| *wait <= 25_000), "a number from 0 to 25000")
}

/// `rate_per_minute`.
pub(super) fn rate(text: &str) -> Result<Setting<u32>, String> {
    own_or_default(
        text,
        |text| text.parse().ok().filter(|rate| *rate <= MAX_RATE),
        "a number from 0 to 1000000",
    )
}

/// `rate_burst`.
pub(super) fn burst(text: &str) -> Result<Setting<u32>, String> {
    let in_range = |burst: &u32| (1..=MAX_RATE).contains(burst);
    own_or_default(text, |text| text.parse().ok().filter(in_range), "a number from 1 to 1000000")
}

/// `addresses`.
pub(super) fn networks(text: &str) -> Result<Setting<Networks>, String> {
    let named = |text: &str| text.parse().ok().filter(|networks: &Networks| !networks.is_empty());
    own_or_default(text, named, "networks in CIDR notation, such as 203.0.113.0/24,2001:db8::/32")
}

fn own_or_default<T>(
    text: &str,
    own: impl FnOnce(&str) -> Option<T>,
    expected: &str,
) -> Result<Setting<T>, String> {
    if text == "default" {
        return Ok(Setting::Default);
    }
    own(text).map(Setting::Own).ok_or_else(|| format!("it must be {expected}, or `default`"))
}
