//! `careq-sync`: the one binary. It must never hold a rule of its own: it reads the settings, starts what was asked for, and
//! tells people what happened.

mod arguments;
mod environment;
mod hardening;

mod admin;
mod audit;
mod clinic;
mod dead_letters;
mod doctor;
mod healthcheck;
mod migrate;
mod processes;
mod reseal;
mod setting;
mod simulate;

mod broker;
mod first_start;
mod operations;
mod shutdown;

use std::process::ExitCode;

use anyhow::Result;
use careq_shared::config::{Config, Process};
use careq_shared::{refusal, telemetry};
use clap::Parser as _;
use tokio::runtime::Runtime;

use arguments::{Arguments, Command};
use shutdown::heeding_signals;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let hardened = hardening::apply();
    match in_a_runtime(Arguments::parse(), hardened) {
        Ok(exit_status) => exit_status,
        Err(fault) => {
            let advice = refusal::advice(fault.as_ref()).map(|advice| format!(". {advice}, and try again"));
            environment::tell(&format!("careq-sync: {fault:#}{}", advice.unwrap_or_default()));
            ExitCode::FAILURE
        }
    }
}

fn in_a_runtime(arguments: Arguments, hardened: Result<(), String>) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(run(arguments, hardened));
    // Whatever still hangs, as the look-up of a name can, must not hold up a process that has finished.
    runtime.shutdown_background();
    ended
}

async fn run(arguments: Arguments, hardened: Result<(), String>) -> Result<ExitCode> {
    let command = arguments.command.unwrap_or(Command::Standalone);
    let config = match (environment::config(process(&command), arguments.config.as_deref()), &command) {
        (Err(faults), Command::Doctor(output)) => return Ok(doctor::of_faults(&faults, *output)),
        (config, _) => config?,
    };
    let telemetry =
        telemetry::start(&config.log, &config.telemetry, process(&command).and_then(Process::runs_on))?;
    if let Err(reason) = hardened {
        tracing::warn!(%reason, "core dumps cannot be switched off; they would hold keys and patients' data");
    }
    if !config.service_links.is_empty() {
        tracing::info!(
            count = config.service_links.len(),
            "ignored the variables that Kubernetes made for Services called careq…"
        );
    }
    let ended = perform(command, &config).await;
    telemetry.end().await;
    ended
}

async fn perform(command: Command, config: &Config) -> Result<ExitCode> {
    let ended = match command {
        Command::Standalone => heeding_signals(|told| processes::standalone(config, told)).await,
        Command::Ingress => heeding_signals(|told| processes::ingress(config, told)).await,
        Command::Worker => heeding_signals(|told| processes::worker(config, told)).await,
        Command::Console => heeding_signals(|told| processes::console(config, told)).await,
        Command::Healthcheck(check) => healthcheck::run(config, check).await,
        Command::Migrate => migrate::run(config).await,
        Command::Reseal(output) => reseal::run(config, output).await,
        Command::Simulate(simulation) => simulate::run(config, simulation).await,
        Command::Clinic(command) => clinic::run(config, command).await,
        Command::Admin(command) => admin::run(config, command).await,
        Command::Audit(command) => audit::run(config, command).await,
        Command::DeadLetters(command) => dead_letters::run(config, command).await,
        Command::Doctor(output) => return Ok(doctor::run(config, output).await),
    };
    ended.map(|()| ExitCode::SUCCESS)
}

/// What the settings of a command are for. Some need neither the database nor the broker that these name.
const fn process(command: &Command) -> Option<Process> {
    match command {
        Command::Standalone => Some(Process::Standalone),
        Command::Ingress => Some(Process::Ingress),
        Command::Worker => Some(Process::Worker),
        Command::Console => Some(Process::Console),
        Command::Healthcheck(_) | Command::Simulate(_) => None,
        _ => Some(Process::Command),
    }
}
