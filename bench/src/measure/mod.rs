//! What is measured, a file for each. A measurement makes what it needs, and removes it; none may lean on another.

mod acknowledge;
mod answer;
mod backlog;
mod drain;
mod embedded;
mod generator;
mod latency;
mod ledger;
mod memory;
mod start_up;
mod together;
mod workers;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::process::Programs;
use crate::report::Line;
use crate::sizes::Sizes;

/// What every measurement is told.
pub(crate) struct Bench {
    pub(crate) sizes: Sizes,
    pub(crate) programs: Programs,
}

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
    pub(crate) const ALL: [Self; 11] = [
        Self::Generator,
        Self::Acknowledge,
        Self::Latency,
        Self::Drain,
        Self::Together,
        Self::Answer,
        Self::Workers,
        Self::Memory,
        Self::StartUp,
        Self::Embedded,
        Self::Ledger,
    ];

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

    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Generator => {
                "requests that it can send, and what `careq-sync simulate` costs; neither may be the bottleneck"
            }
            Self::Acknowledge => {
                "answers per second, and how long they take, without a worker; beside bare axum (signature, JSON, confirmed publish)"
            }
            Self::Latency => {
                "from when a request was due to its answer, at so many requests per second, without a worker; beside the same"
            }
            Self::Drain => {
                "one worker's events per second from a backlog; beside the same rows written by bare SQL"
            }
            Self::Together => {
                "events per second through ingress and worker at once, sent as fast as answers come"
            }
            Self::Answer => {
                "from when a request was due to the answer that has its result, at 200 requests per second"
            }
            Self::Workers => "two and four worker processes on one backlog; beside one",
            Self::Memory => "the most that ingress and worker ever had, after so many events",
            Self::StartUp => "from the start of a process until it takes requests or events",
            Self::Embedded => "`careq-sync` alone, on SQLite and its own queue",
            Self::Ledger => "one worker's events per second where the ledger is full; beside an empty one",
        }
    }

    pub(crate) async fn take(self, bench: &Bench) -> Result<Vec<Line>> {
        match self {
            Self::Generator => generator::measure(bench).await,
            Self::Acknowledge => acknowledge::measure(bench).await,
            Self::Latency => latency::measure(bench).await,
            Self::Drain => drain::measure(bench).await,
            Self::Together => together::measure(bench).await,
            Self::Answer => answer::measure(bench).await,
            Self::Workers => workers::measure(bench).await,
            Self::Memory => memory::measure(bench).await,
            Self::StartUp => start_up::measure(bench).await,
            Self::Embedded => embedded::measure(bench).await,
            Self::Ledger => ledger::measure(bench).await,
        }
    }
}
