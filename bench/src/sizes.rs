//! How much is measured, and for how long. Every measurement is bounded here, in time and in data.

use std::time::Duration;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// How often each pair of ours and its limit is measured, one after the other.
    pub(crate) repeats: usize,
    /// How long requests are sent each time.
    pub(crate) sending: Duration,
    /// Connections over which answers are waited for.
    pub(crate) connections: &'static [usize],
    /// Requests offered per second.
    pub(crate) rates: &'static [u32],
    /// How long results are waited for at 200 requests per second.
    pub(crate) answering: Duration,
    /// Events of a backlog.
    pub(crate) backlog: u64,
    /// Events of the backlogs that several workers share, and of those behind a full ledger.
    pub(crate) smaller_backlog: u64,
    /// Events that are sent and stored at the same time.
    pub(crate) together: u64,
    /// Events that are behind an ingress and a worker when their memory is looked at.
    pub(crate) behind: u64,
    /// Starts of each process.
    pub(crate) starts: usize,
    /// Rows of the full ledger.
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
            behind: 1_000_000,
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
            behind: 20_000,
            starts: 3,
            ledger_rows: 100_000,
        }
    }
}
