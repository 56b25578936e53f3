//! Which of the registered processes live. A process is judged by the changes of its row on this process's monotonic clock:
//! clocks of machines differ and are set.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use careq_shared::processes::{RENEWAL_INTERVAL, Registered};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A process counts as ended when its row has not been renewed for this time.
const SILENCE: Duration = Duration::from_secs(6);

/// The longest time between two reads that counts. Beyond, as while the database was away, the others could not renew their
/// rows either.
const MAX_STEP: Duration = Duration::from_millis(2_500);

/// The rows as this process has seen them.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    seen: HashMap<Uuid, Observed>,
    read_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Observed {
    seen_at: DateTime<Utc>,
    /// The time since the renewal, on this process's clock.
    silence: Duration,
    /// Whether the process has renewed its row. One that ends and starts again at once never does.
    has_renewed: bool,
}

impl Liveness {
    /// Takes the rows that were read `now`, and returns those of living processes.
    pub(super) fn living<'rows>(
        &mut self,
        rows: &'rows [Registered],
        now: Instant,
    ) -> Vec<&'rows Registered> {
        let is_first = self.read_at.is_none();
        let step = self.read_at.map_or(Duration::ZERO, |read_at| (now - read_at).min(MAX_STEP));
        self.read_at = Some(now);
        let seen = |row: &Registered| {
            let observed = match self.seen.get(&row.id) {
                Some(before) if before.seen_at == row.seen_at => {
                    Observed { silence: before.silence + step, ..*before }
                }
                // The database's clock may have been set since.
                Some(_) => Observed {
                    seen_at: row.seen_at,
                    silence: row.age().min(RENEWAL_INTERVAL),
                    has_renewed: true,
                },
                None => Observed { seen_at: row.seen_at, silence: row.age(), has_renewed: is_first },
            };
            (row.id, observed)
        };
        self.seen = rows.iter().map(seen).collect();
        let lives = |seen: &Observed| seen.has_renewed && seen.silence < SILENCE;
        rows.iter().filter(|row| lives(&self.seen[&row.id])).collect()
    }

    /// The processes whose rows have not been renewed for this time.
    pub(super) fn silent_for(&self, silence: Duration) -> Vec<Uuid> {
        self.seen.iter().filter(|(_, seen)| seen.silence > silence).map(|(id, _)| *id).collect()
    }

    /// The time from the last read until the next process counts as ended, if it stays silent.
    pub(super) fn until_next_end(&self) -> Option<Duration> {
        self.seen
            .values()
            .filter_map(|seen| SILENCE.checked_sub(seen.silence))
            .filter(|left| !left.is_zero())
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn row(number: u128, seen_at_s: i64, read_at_s: i64) -> Registered {
        let at = |seconds| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        Registered {
            id: Uuid::from_u128(number),
            kind: "worker".to_owned(),
            concurrency: 2,
            partitions: 16,
            seen_at: at(seen_at_s),
            read_at: at(read_at_s),
        }
    }

    fn living(liveness: &mut Liveness, rows: &[Registered], now: Instant) -> Vec<u128> {
        liveness.living(rows, now).iter().map(|row| row.id.as_u128()).collect()
    }

    #[test]
    fn a_process_lives_until_its_row_has_not_changed_for_six_seconds() {
        let (mut liveness, start) = (Liveness::default(), Instant::now());
        assert_eq!(living(&mut liveness, &[row(1, 0, 0), row(2, 0, 0)], start), [1, 2]);
        assert_eq!(living(&mut liveness, &[row(1, 2, 2), row(2, 0, 2)], start + SECOND * 2), [1, 2]);
        assert_eq!(living(&mut liveness, &[row(1, 4, 4), row(2, 0, 4)], start + SECOND * 4), [1, 2]);
        assert_eq!(liveness.until_next_end(), Some(SECOND * 2));
        assert_eq!(living(&mut liveness, &[row(1, 6, 6), row(2, 0, 6)], start + SECOND * 6), [1]);
        assert_eq!(living(&mut liveness, &[row(1, 8, 8), row(2, 7, 8)], start + SECOND * 8), [1, 2]);
    }

    #[test]
    fn a_row_that_was_old_when_it_was_first_seen_is_of_an_ended_process() {
        let mut liveness = Liveness::default();
        assert_eq!(living(&mut liveness, &[row(1, 0, 30), row(2, 29, 30)], Instant::now()), [2]);
    }

    #[test]
    fn a_clock_of_the_database_that_is_set_ends_no_process() {
        let (mut liveness, start) = (Liveness::default(), Instant::now());
        assert_eq!(living(&mut liveness, &[row(1, 0, 1)], start), [1]);
        assert_eq!(living(&mut liveness, &[row(1, 0, 3_600)], start + SECOND * 2), [1], "it was set ahead");
        assert_eq!(living(&mut liveness, &[row(1, 3_600, -60)], start + SECOND * 4), [1], "it was set back");
        assert_eq!(living(&mut liveness, &[row(1, 3_600, -50)], start + SECOND * 14), [1], "after a pause");
    }

    #[test]
    fn an_outage_of_the_database_ends_no_process() {
        let (mut liveness, start) = (Liveness::default(), Instant::now());
        assert_eq!(living(&mut liveness, &[row(1, 0, 0)], start), [1]);
        assert_eq!(living(&mut liveness, &[row(1, 0, 60)], start + SECOND * 60), [1]);
        assert_eq!(living(&mut liveness, &[row(1, 0, 62)], start + SECOND * 62), [1]);
        assert_eq!(living(&mut liveness, &[row(1, 0, 64)], start + SECOND * 64), [] as [u128; 0]);
    }

    #[test]
    fn a_process_that_starts_again_and_again_never_counts() {
        let (mut liveness, start) = (Liveness::default(), Instant::now());
        assert_eq!(living(&mut liveness, &[row(1, 0, 0)], start), [1]);
        assert_eq!(living(&mut liveness, &[row(1, 2, 2), row(2, 1, 2)], start + SECOND * 2), [1]);
        assert_eq!(
            living(&mut liveness, &[row(1, 4, 4), row(2, 1, 4), row(3, 3, 4)], start + SECOND * 4),
            [1]
        );
        let renewed = [row(1, 6, 6), row(2, 1, 6), row(3, 5, 6)];
        assert_eq!(living(&mut liveness, &renewed, start + SECOND * 6), [1, 3]);
    }
}
