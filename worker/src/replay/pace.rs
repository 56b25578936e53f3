//! Pacing of a job: pauses between two steps so that it keeps its rate, without bursts after a slow step.

use std::time::{Duration, Instant};

/// Start of the next step.
#[derive(Debug, Default)]
pub(super) struct Pace {
    due: Option<Instant>,
}

impl Pace {
    /// Pause after so many published dead letters.
    pub(super) fn after(&mut self, now: Instant, letters: usize, rate_per_second: i32) -> Duration {
        let letters = f64::from(u32::try_from(letters).unwrap_or(u32::MAX));
        let share = Duration::from_secs_f64(letters / f64::from(rate_per_second.max(1)));
        // A slow step is made up for by at most one share.
        let earliest = now.checked_sub(share).unwrap_or(now);
        let due = self.due.unwrap_or(now).max(earliest) + share;
        self.due = Some(due);
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_its_share_of_time() {
        let (began, ms) = (Instant::now(), Duration::from_millis);
        let mut pace = Pace::default();
        assert_eq!(pace.after(began, 100, 1_000), ms(100));
        // A step of 30 ms leaves 70 of its share.
        assert_eq!(pace.after(began + ms(130), 100, 1_000), ms(70));
        // One that took a second is late by a second; it is followed at once, and then the pace is as before.
        assert_eq!(pace.after(began + ms(1_200), 100, 1_000), ms(0));
        assert_eq!(pace.after(began + ms(1_210), 100, 1_000), ms(90));
    }
}
