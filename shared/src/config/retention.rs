//! `[retention]`: the age at which settled rows are deleted. A row is not kept longer than the row that it refers to.

use std::time::Duration;

use serde::Deserialize;

/// `[retention]`
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct RetentionConfig {
    /// The days that an event stays in the ledger after its last delivery; 0 = forever.
    pub events_days: u32,
    /// The days that the report of a batch stays after its acceptance; 0 = forever.
    pub batches_days: u32,
    /// The days that a settled dead letter or a finished replay job stays; 0 = forever.
    pub settled_letters_days: u32,
    /// The days that an entry of the audit log stays; 0 = forever.
    pub audit_days: u32,
    /// The interval between two scans for expired rows, in seconds.
    pub scan_interval_s: u64,
}

/// The maximum: a century.
const MAX_DAYS: u32 = 36_500;

impl RetentionConfig {
    pub(super) fn faults(&self, require: &mut impl FnMut(bool, &str)) {
        let [events, batches, letters, audit] =
            [self.events_days, self.batches_days, self.settled_letters_days, self.audit_days].map(or_forever);
        require(
            [self.events_days, self.batches_days, self.settled_letters_days, self.audit_days]
                .iter()
                .all(|days| *days <= MAX_DAYS),
            "retention.events_days, batches_days, settled_letters_days and audit_days must be at most 36500, a century; 0 = forever",
        );
        require(
            events >= 7,
            "retention.events_days must be at least 7, or 0 to keep them forever: a duplicate of a deleted event counts as new, \
             and duplicates can wait in a queue for days",
        );
        require(
            events == FOREVER || batches < events,
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

const FOREVER: u32 = u32::MAX;

fn or_forever(days: u32) -> u32 {
    if days == 0 { FOREVER } else { days }
}

/// The duration of a number of days; `None` if it means forever.
#[must_use]
pub fn days(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(24 * u64::from(days)))
}
