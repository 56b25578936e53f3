//! Context of every measurement: its size, which bounds its time and data, and the program.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::arguments::MeasureOptions;

pub(crate) struct Context {
    /// Program that is measured.
    pub(crate) careq_sync: PathBuf,
    /// Number of alternating measurements of the product and its baseline.
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
    /// Number of events in a backlog of one clinic.
    pub(crate) smaller_backlog: u64,
    /// Number of events in a backlog for several workers. A part of it is drained before they have shared the partitions.
    pub(crate) shared_backlog: u64,
    /// Number of events in a backlog for workers whose database is distant.
    pub(crate) distant_backlog: u64,
    /// Number of events of a clinic that disturbs another one.
    pub(crate) noise: u64,
    /// Duration of the load of the disturbed clinic.
    pub(crate) disturbed: Duration,
    /// Number of events that are sent and stored at the same time.
    pub(crate) together: u64,
    /// Number of events after which the memory of ingress and worker is read.
    pub(crate) memory_events: u64,
    /// Number of starts of each process.
    pub(crate) starts: u64,
    /// Number of rows of the full ledger.
    pub(crate) ledger_rows: u64,
}

impl Context {
    /// # Errors
    /// There is no program. Unless one is given, it is the `careq-sync` in the same folder as this program.
    pub(crate) fn new(options: &MeasureOptions) -> Result<Self> {
        let same_folder = std::env::current_exe()?.with_file_name("careq-sync");
        let careq_sync = options.program.clone().unwrap_or(same_folder);
        ensure!(careq_sync.is_file(), "there is no {}; build the whole workspace", careq_sync.display());
        let number = |whole, short| if options.short { short } else { whole };
        let seconds = |whole, short| Duration::from_secs(number(whole, short));
        Ok(Self {
            careq_sync,
            repeats: options.repeats.unwrap_or(if options.short { 2 } else { 3 }),
            sending: seconds(5, 1),
            connections: if options.short { &[1, 64] } else { &[1, 16, 64, 256] },
            rates: if options.short {
                &[250, 1_000, 4_000]
            } else {
                &[250, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000]
            },
            answering: seconds(10, 3),
            backlog: number(200_000, 10_000),
            smaller_backlog: number(50_000, 5_000),
            shared_backlog: number(120_000, 60_000),
            distant_backlog: number(50_000, 30_000),
            noise: number(100_000, 10_000),
            disturbed: seconds(10, 3),
            together: number(100_000, 10_000),
            memory_events: number(1_000_000, 20_000),
            starts: number(10, 3),
            ledger_rows: number(10_000_000, 100_000),
        })
    }
}
