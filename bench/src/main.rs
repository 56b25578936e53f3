//! `make bench`: how fast we are, beside what the broker and the database do without us, in one run on one machine. Only
//! the ratios are worth comparing; nothing here may ever decide whether a test passes.

mod arguments;
mod sizes;

mod installation;
mod process;
mod repeat;

mod load;
mod raw;

mod measure;

mod report;

use anyhow::{Result, bail};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Command, Measuring};
use report::{Machine, Recorded, Report};
use sizes::Sizes;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Bare(bare)) => raw::http::serve(&bare).await,
        None => tokio::select! {
            measured = measure(&arguments.measuring) => measured,
            // Whatever was made is removed on the way out.
            interrupted = interrupted() => interrupted,
        },
    }
}

async fn measure(measuring: &Measuring) -> Result<()> {
    let mut sizes = if measuring.short { Sizes::short() } else { Sizes::whole() };
    sizes.repeats = measuring.repeats.unwrap_or(sizes.repeats);
    let bench = measure::Bench { sizes, programs: process::Programs::find(measuring.program.clone())? };
    let machine = Machine::this().await?;
    let mut report = Report::new(machine, measuring.short);
    for measurement in measuring.chosen() {
        say(&format!("{}: {}", measurement.name(), measurement.about()));
        match measurement.take(&bench).await {
            Ok(lines) => report.add(measurement, lines),
            Err(reason) => {
                // What was measured before is not lost, though it is not recorded either.
                say(&report.as_text(None));
                return Err(reason.context(measurement.name()));
            }
        }
    }
    let recorded = Recorded::read()?;
    say(&report.as_text(recorded.as_ref()));
    if let Some(path) = &measuring.json {
        std::fs::write(path, report.as_json()?)?;
    }
    if measuring.is_whole() {
        report.record(recorded.as_ref())?;
        say("written: docs/performance/results.md, results.json and results.svg");
    }
    Ok(())
}

async fn interrupted() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        told = tokio::signal::ctrl_c() => told?,
        _ = terminated.recv() => {}
    }
    bail!("interrupted")
}

/// Says something to the person who waits.
fn say(text: &str) {
    #[expect(clippy::print_stdout, reason = "what it says is what was asked for")]
    {
        println!("{text}");
    }
}
