//! The benchmark of `make bench`: the product compared with what broker and database can do without it, in one run on one
//! machine.
//!
//! Only ratios are comparable between runs. No test depends on a result.

mod arguments;
mod clinic;
mod context;
mod measurement;
mod print;
mod sizes;

mod installation;
mod process;
mod statistics;

mod load;
mod raw;

mod measure;

mod report;

use anyhow::{Result, bail};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Command, MeasureOptions};
use context::Context;
use report::machine::Machine;
use report::recorded::RecordedRun;
use report::run_report::RunReport;
use sizes::Sizes;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Bare(bare)) => raw::http::serve(&bare).await,
        None => tokio::select! {
            measured = run(&arguments.options) => measured,
            // Dropping the measurement removes its installation.
            interrupted = interrupted() => interrupted,
        },
    }
}

async fn run(options: &MeasureOptions) -> Result<()> {
    let mut sizes = if options.short { Sizes::short() } else { Sizes::whole() };
    sizes.repeats = options.repeats.unwrap_or(sizes.repeats);
    let context = Context { sizes, programs: process::Programs::find(options.program.clone())? };
    let machine = Machine::this().await?;
    let mut report = RunReport::new(machine, options.short);
    for measurement in options.chosen() {
        print::line(&format!("{}: {}", measurement.name(), measurement.description()));
        match measure::measure(measurement, &context).await {
            Ok(lines) => report.add(measurement, lines),
            Err(error) => {
                // The measurements so far are printed but not recorded.
                print::line(&report::as_text(&report, None));
                return Err(error.context(measurement.name()));
            }
        }
    }
    let recorded = RecordedRun::read()?;
    print::line(&report::as_text(&report, recorded.as_ref()));
    if let Some(path) = &options.json {
        std::fs::write(path, report.as_json()?)?;
    }
    if options.is_whole() {
        report::record(&report, recorded.as_ref())?;
        print::line(
            "written: docs/performance/results.md, docs/performance/results.json, docs/performance/results.svg",
        );
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
