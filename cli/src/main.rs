//! The binary `careq-sync`: loads the settings, runs the requested command or process, and reports errors.

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
mod simulate;

mod broker;
mod first_start;
mod operations;
mod shutdown;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use careq_shared::config::{Config, Process};
use careq_shared::{refusal, telemetry};
use clap::Parser as _;
use tokio::runtime::Runtime;

use arguments::program::{Arguments, Command};
use shutdown::run_until_signal;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    match run_in_runtime(hardening::apply()) {
        Ok(exit_status) => exit_status,
        Err(fault) => {
            let advice = refusal::advice(fault.as_ref()).map(|advice| format!(". {advice}, and try again"));
            environment::print_to_stderr(&format!("careq-sync: {fault:#}{}", advice.unwrap_or_default()));
            ExitCode::FAILURE
        }
    }
}

fn run_in_runtime(hardened: Result<(), String>) -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(run(arguments, hardened));
    // A blocking task, such as a DNS lookup, must not delay the end of a finished process.
    runtime.shutdown_background();
    ended
}

async fn run(arguments: Arguments, hardened: Result<(), String>) -> Result<ExitCode> {
    let command = arguments.command.unwrap_or(Command::Standalone);
    let config = match (environment::config(process(&command), arguments.config.as_deref()), &command) {
        (Err(faults), Command::Doctor(output)) => {
            return doctor::print(&careq_doctor::fault_report(&faults), *output);
        }
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
    let result = perform(command, &config).await;
    telemetry.end().await;
    result
}

async fn perform(command: Command, config: &Config) -> Result<ExitCode> {
    let ended = match command {
        Command::Standalone => run_until_signal(|shutdown| processes::standalone(config, shutdown)).await,
        Command::Ingress => run_until_signal(|shutdown| processes::ingress(config, shutdown)).await,
        Command::Worker => run_until_signal(|shutdown| processes::worker(config, shutdown)).await,
        Command::Console => run_until_signal(|shutdown| processes::console(config, shutdown)).await,
        Command::Healthcheck(check) => healthcheck::run(config, check).await,
        Command::Migrate => migrate::run(config).await,
        Command::Reseal(output) => reseal::run(config, output).await,
        Command::Simulate(simulation) => simulate::run(config, simulation).await,
        Command::Clinic(command) => clinic::run(config, command).await,
        Command::Admin(command) => admin::run(config, command).await,
        Command::Audit(command) => audit::run(config, command).await,
        Command::DeadLetters { command, output } => dead_letters::run(config, command, output).await,
        Command::Doctor(output) => {
            return doctor::print(&Box::pin(careq_doctor::examine(config)).await, output);
        }
    };
    ended.map(|()| ExitCode::SUCCESS)
}

/// The process that the settings are validated for. `None` skips the checks of database and broker, which the command does not use.
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
