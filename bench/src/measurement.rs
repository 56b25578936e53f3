//! Names and descriptions of the measurements, in the order in which they run.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// See the module. The comment of a measurement is its description on the command line and in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measurement {
    /// Requests that it can send, and the cost of `careq-sync simulate`; neither may be the bottleneck.
    Generator,
    /// Responses per second, and their latency, without a worker; compared with bare axum (signature, JSON, confirmed publish).
    Acknowledge,
    /// Time from when a request was due to its response, at fixed rates, without a worker; compared with the same.
    Latency,
    /// One worker's events per second from a backlog; compared with the same rows written by bare SQL.
    Drain,
    /// Events per second through ingress and worker at the same time, sent in a closed loop.
    Together,
    /// Time from when a request was due to the response with its result, at 200 requests per second.
    Answer,
    /// Two and four worker processes on the backlog of a clinic in each partition, once they have shared the partitions; compared with one.
    #[serde(alias = "workers")]
    ScaleOut,
    /// One worker's events per second from the backlog of one clinic, which one consumer reads; compared with a clinic in each partition.
    OneClinic,
    /// Answers to a clinic with a booking per second, and the delay until its events are stored, while another clinic has a backlog.
    NoisyNeighbour,
    /// Peak memory of ingress and worker, after a number of events.
    Memory,
    /// Time from the start of a process until it accepts requests or events.
    StartUp,
    /// `careq-sync` alone, on SQLite and its own queue.
    Embedded,
    /// One worker's events per second with a full ledger; compared with an empty one.
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
            Self::ScaleOut => "More workers",
            Self::OneClinic => "One clinic",
            Self::NoisyNeighbour => "A noisy neighbour",
            Self::Memory => "Memory",
            Self::StartUp => "Starting",
            Self::Embedded => "The embedded default",
            Self::Ledger => "A full ledger",
        }
    }

    /// Description below the heading, without a full stop.
    pub(crate) fn description(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_has_its_comment_as_description() {
        let all = Measurement::value_variants();
        assert!(all.iter().all(|measurement| measurement.description().len() > 20));
        assert_eq!(Measurement::Embedded.description(), "`careq-sync` alone, on SQLite and its own queue");
    }
}
