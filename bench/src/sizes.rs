//! Sizes of the measurements, which bound their time and data.

use std::time::Duration;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Number of alternating measurements of the product and its limit.
    pub(crate) repeats: usize,
    /// Duration of each load.
    pub(crate) sending: Duration,
    /// Numbers of connections of the closed-loop load.
    pub(crate) connections: &'static [usize],
    /// Rates of the open-loop load, per second.
    pub(crate) rates: &'static [u32],
    /// Duration of the load of 200 requests per second whose results are awaited.
    pub(crate) answering: Duration,
    /// Number of events in a backlog.
    pub(crate) backlog: u64,
    /// Number of events in a backlog for several workers, or for a worker with a full ledger.
    pub(crate) smaller_backlog: u64,
    /// Number of events that are sent and stored at the same time.
    pub(crate) together: u64,
    /// Number of events after which the memory of ingress and worker is read.
    pub(crate) memory_events: u64,
    /// Number of starts of each process.
    pub(crate) starts: usize,
    /// Number of rows of the full ledger.
    pub(crate) ledger_rows: u64,
}

impl Sizes {
    pub(crate) fn whole() -> Self {
        Self {
            repeats: 3,
            sending: Duration::from_secs(5),
            connections: &[1, 16, 64, 256],
            rates: &[250, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000],
            answering: Duration::from_secs(10),
            backlog: 200_000,
            smaller_backlog: 50_000,
            together: 100_000,
            memory_events: 1_000_000,
            starts: 10,
            ledger_rows: 10_000_000,
        }
    }

    pub(crate) fn short() -> Self {
        Self {
            repeats: 2,
            sending: Duration::from_secs(1),
            connections: &[1, 64],
            rates: &[250, 1_000, 4_000],
            answering: Duration::from_secs(3),
            backlog: 10_000,
            smaller_backlog: 5_000,
            together: 10_000,
            memory_events: 20_000,
            starts: 3,
            ledger_rows: 100_000,
        }
    }
}
