//! How long to wait between two steps, so that a job keeps its rate over time, whatever a step itself takes. It must never catch up
//! by a burst.

use std::time::Duration;

use tokio::time::Instant;

/// When the next step may begin.
#[derive(Debug, Default)]
pub(super) struct Pace {
    due: Option<Instant>,
}

impl Pace {
    /// How long to wait now that so many letters are published.
    pub(super) fn after(&mut self, letters: usize, rate_per_second: i32) -> Duration {
        let rate = f64::from(rate_per_second.max(1));
        let share = Duration::from_secs_f64(f64::from(u32::try_from(letters).unwrap_or(u32::MAX)) / rate);
        let now = Instant::now();
        // A step that took longer than its share is not made up for by more than one share.
        let began = self.due.unwrap_or(now).max(now.checked_sub(share).unwrap_or(now));
        let due = began + share;
        self.due = Some(due);
        due.saturating_duration_since(now)
    }
}
