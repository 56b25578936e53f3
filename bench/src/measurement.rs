//! Names and descriptions of the measurements, in the order in which they run.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measurement {
    Generator,
    Acknowledge,
    Latency,
    Drain,
    Together,
    Answer,
    Workers,
    Memory,
    StartUp,
    Embedded,
    Ledger,
}

impl Measurement {
    /// Heading of the section in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Generator => "The generator",
            Self::Acknowledge => "Acknowledging",
            Self::Latency => "Latency at a rate",
            Self::Drain => "Draining",
            Self::Together => "Both together",
            Self::Answer => "Answers with their results",
            Self::Workers => "More workers",
            Self::Memory => "Memory",
            Self::StartUp => "Starting",
            Self::Embedded => "The embedded default",
            Self::Ledger => "A full ledger",
        }
    }

    /// Description below the heading.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Generator => {
                "requests that it can send, and the cost of `careq-sync simulate`; neither may be the bottleneck"
            }
            Self::Acknowledge => {
                "responses per second, and their latency, without a worker; compared with bare axum (signature, JSON, confirmed publish)"
            }
            Self::Latency => {
                "time from when a request was due to its response, at fixed rates, without a worker; compared with the same"
            }
            Self::Drain => {
                "one worker's events per second from a backlog; compared with the same rows written by bare SQL"
            }
            Self::Together => {
                "events per second through ingress and worker at the same time, sent in a closed loop"
            }
            Self::Answer => {
                "time from when a request was due to the response with its result, at 200 requests per second"
            }
            Self::Workers => "two and four worker processes on one backlog; compared with one",
            Self::Memory => "peak memory of ingress and worker, after a number of events",
            Self::StartUp => "time from the start of a process until it accepts requests or events",
            Self::Embedded => "`careq-sync` alone, on SQLite and its own queue",
            Self::Ledger => "one worker's events per second with a full ledger; compared with an empty one",
        }
    }
}
