//! The measurements, one per file. Each creates the installation that it needs, which is removed afterwards.

mod acknowledge;
mod answer;
mod backlog;
mod drain;
mod embedded;
mod generator;
mod latency;
mod ledger;
mod memory;
mod noisy_neighbour;
mod one_clinic;
mod scale_out;
mod start_up;
mod together;

use anyhow::Result;

use crate::context::Context;
use crate::measurement::Measurement;
use crate::report::line::Line;

/// Takes a measurement.
pub(crate) async fn measure(measurement: Measurement, context: &Context) -> Result<Vec<Line>> {
    match measurement {
        Measurement::Generator => generator::measure(context).await,
        Measurement::Acknowledge => acknowledge::measure(context).await,
        Measurement::Latency => latency::measure(context).await,
        Measurement::Drain => drain::measure(context).await,
        Measurement::Together => together::measure(context).await,
        Measurement::Answer => answer::measure(context).await,
        Measurement::ScaleOut => scale_out::measure(context).await,
        Measurement::OneClinic => one_clinic::measure(context).await,
        Measurement::NoisyNeighbour => noisy_neighbour::measure(context).await,
        Measurement::Memory => memory::measure(context).await,
        Measurement::StartUp => start_up::measure(context).await,
        Measurement::Embedded => embedded::measure(context).await,
        Measurement::Ledger => ledger::measure(context).await,
    }
}
