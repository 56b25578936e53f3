//! `[retention]`: how long is kept what is over. What refers to something must never be kept for longer than what it refers to.

use std::time::Duration;

use serde::Deserialize;

/// `[retention]`
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct RetentionConfig {
    /// How long an event stays in the ledger after it was heard of last, in days; 0 keeps it for ever.
    pub events_days: u32,
    /// How long a batch can be reported after it was accepted, in days; 0 keeps it for ever.
    pub batches_days: u32,
    /// How long a dead letter stays after it was settled, and a replay job after its end, in days; 0 keeps it for ever.
    pub settled_letters_days: u32,
    /// How long an entry of the audit log stays, in days; 0 keeps it for ever.
    pub audit_days: u32,
    /// How often it is looked for what is due, in seconds.
    pub scan_interval_s: u64,
}

/// The longest that makes sense: a century.
const LONGEST_DAYS: u32 = 36_500;

impl RetentionConfig {
    pub(super) fn faults(&self, require: &mut impl FnMut(bool, &str)) {
        let [events, batches, letters, audit] =
            [self.events_days, self.batches_days, self.settled_letters_days, self.audit_days]
                .map(or_for_ever);
        require(
            [self.events_days, self.batches_days, self.settled_letters_days, self.audit_days]
                .iter()
                .all(|days| *days <= LONGEST_DAYS),
            "retention.events_days, batches_days, settled_letters_days and audit_days must be at most 36500, a century; 0 keeps for ever",
        );
        require(
            events >= 7,
            "retention.events_days must be at least 7, or 0 to keep for ever: a copy of what was forgotten counts as new, and copies \
             can wait in a queue for days",
        );
        require(
            events == FOR_EVER || batches < events,
            "retention.batches_days must be less than retention.events_days: the report of a batch is made from its events",
        );
        require(
            batches <= letters,
            "retention.settled_letters_days must be at least retention.batches_days: the report of a batch names what has failed",
        );
        require(
            letters <= audit,
            "retention.audit_days must be at least retention.settled_letters_days: a letter names the entry that settled it",
        );
        require(
            (1..=86_400).contains(&self.scan_interval_s),
            "retention.scan_interval_s must be from 1 to 86400",
        );
    }
}

const FOR_EVER: u32 = u32::MAX;

fn or_for_ever(days: u32) -> u32 {
    if days == 0 { FOR_EVER } else { days }
}

/// So many days; nothing for those that mean for ever.
#[must_use]
pub fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(24 * u64::from(days)))
}
