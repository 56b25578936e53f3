//! Limits of the operations. They stand in one file, since error messages, the admin API's description and the operations use them.

/// Payloads that one actor can reveal within a minute: more than a person reads.
pub(crate) const MAX_REVEALS_PER_MINUTE: u64 = 20;

/// The longest reason, in characters. It is stored with every dead letter that it applies to.
pub(crate) const MAX_REASON_CHARS: usize = 500;

/// Default rate of a replay job, in dead letters per second: low enough not to delay live traffic.
pub const DEFAULT_RATE_PER_SECOND: u32 = 100;

/// The highest rate of a replay job, in dead letters per second.
pub const MAX_RATE_PER_SECOND: u32 = 10_000;

/// Items of a page of the admin API, unless `limit` is given.
pub(crate) const DEFAULT_PAGE_LIMIT: u64 = 50;

/// The highest `limit` of a page of the admin API.
pub(crate) const MAX_PAGE_LIMIT: u64 = 500;

/// The most dead letters that the filter in a body of the admin API can name by their ids.
pub(crate) const MAX_FILTER_IDS: usize = 1_000;
