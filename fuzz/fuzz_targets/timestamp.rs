//! Fuzz target: `X-CareQ-Timestamp`. Arbitrary text is no time stamp, or one that is fresh only within five minutes of now.
#![no_main]

use careq_ingress::Timestamp;
use careq_shared::clock;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let now = clock::now();
    match Timestamp::read(text) {
        Some(stamp) => {
            let seconds: i64 = text.parse().expect("it is a number");
            assert!(text.bytes().all(|digit| digit.is_ascii_digit()));
            assert_eq!(stamp.is_fresh(now), (seconds - now.timestamp()).abs() <= 300);
        }
        None => assert!(text.len() > 12 || text.parse::<u64>().is_err() || text.starts_with('+')),
    }
});
