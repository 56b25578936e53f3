//! The benchmark of `make bench`: the product compared with what broker and database can do without it, in one run on one
//! machine.
//!
//! Only ratios are comparable between runs. No test depends on a result.

mod arguments;
mod clinics;
mod context;
mod measurement;
mod print;
mod statistics;

mod distant;
mod installation;
mod load;
mod process;
mod raw;

mod measure;
mod report;

use anyhow::{Result, bail};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Command, MeasureOptions};
use context::Context;
use report::Report;
use report::machine::Machine;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Bare { queue, secret }) => raw::http::serve(queue, &secret).await,
        None => tokio::select! {
            measured = run(&arguments.options) => measured,
            // Dropping the measurement removes its installation.
            interrupted = interrupted() => interrupted,
        },
    }
}

async fn run(options: &MeasureOptions) -> Result<()> {
    let context = Context::new(options)?;
    let mut report = Report::new(Machine::this().await?, options.short);
    for measurement in options.chosen() {
        print::line(&format!("{}: {}", measurement.name(), measurement.description()));
        match measure::measure(measurement, &context).await {
            Ok(lines) => report.add(measurement, lines),
            Err(error) => {
                // The measurements so far are printed but not recorded.
                print::line(&report.tables());
                return Err(error.context(measurement.name()));
            }
        }
    }
    let recorded = Report::recorded()?;
    print::line(&(report.tables() + &report.comparison(recorded.as_ref())));
    if let Some(path) = &options.json {
        std::fs::write(path, report.as_json()?)?;
    }
    if options.is_whole() {
        report.record(recorded.as_ref())?;
        print::line("written: docs/performance/results.md, docs/performance/results.json");
    }
    Ok(())
}

async fn interrupted() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        received = tokio::signal::ctrl_c() => received?,
        _ = terminated.recv() => {}
    }
    bail!("interrupted")
}
