//! When a failed event is tried again: 1 s, 5 s, 30 s, 2 min and 10 min after its failures, each ± 20 %, then it is a dead letter.
//! Retries of a whole transaction are in `db/retries.rs`.

use std::time::Duration;

/// Delay after each failed attempt, in seconds.
const DELAYS_S: [u64; 5] = [1, 5, 30, 120, 600];

/// Last attempt that is followed by a delay.
pub(crate) const MAX_ATTEMPTS: i32 = 5;

/// Delay of an event that could not be tried, since another session held its ledger row.
pub(crate) fn delay_while_held() -> Duration {
    jittered(DELAYS_S[2])
}

/// Delay after so many failed attempts (from 1), or `None` after the last one.
pub(crate) fn delay_after(failed_attempts: i32) -> Option<Duration> {
    let index = usize::try_from(failed_attempts.checked_sub(1)?).ok()?;
    DELAYS_S.get(index).copied().map(jittered)
}

/// Lease of an attempt that follows so many failed ones: a worker that ends meanwhile leaves the event due again after the next delay.
pub(crate) fn lease_after(failed_attempts: i32) -> Duration {
    let longest = || jittered(DELAYS_S[DELAYS_S.len() - 1]);
    delay_after(failed_attempts.saturating_add(1)).unwrap_or_else(longest) + Duration::from_mins(1)
}

/// Whether an event has had every attempt.
pub(crate) fn is_exhausted(failed_attempts: i32) -> bool {
    failed_attempts > MAX_ATTEMPTS
}

/// The delay ± 20 %, so that events that failed together are not tried together.
fn jittered(delay_s: u64) -> Duration {
    Duration::from_secs(delay_s).mul_f64(rand::random_range(0.8..=1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_ten_minutes_and_end_after_the_fifth_failure() {
        for (failed, delay_s) in (1..).zip(DELAYS_S) {
            let delay = delay_after(failed).unwrap().as_secs_f64();
            let expected = f64::from(u32::try_from(delay_s).unwrap());
            assert!((expected * 0.8..=expected * 1.2).contains(&delay), "{failed}: {delay}");
            assert!(!is_exhausted(failed));
        }
        assert_eq!(delay_after(0), None);
        assert_eq!(delay_after(6), None);
        assert!(is_exhausted(6));
    }

    #[test]
    fn a_lease_outlasts_the_delay_of_the_attempt_that_it_is_for() {
        assert!(lease_after(0) > Duration::from_mins(1));
        assert!(lease_after(5) > Duration::from_mins(9));
        assert!(lease_after(i32::MAX) > Duration::from_mins(9));
    }
}
