//! The command line as a whole. Scripts rely on every command and option: they may be added, but not changed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::admin::AdminCommand;
use super::clinic::ClinicCommand;
use super::dead_letters::DeadLettersCommand;
use super::output::Output;
use super::simulation::Simulation;

/// The receiving side of `CareQ`'s clinic-booking webhooks.
///
/// Without a command, everything runs in this one process, with its data in the folder careq-data.
#[derive(Debug, Parser)]
#[command(name = "careq-sync", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Settings that differ from the defaults (see config.default.toml); the environment wins over them.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ingress and worker in one process (the default).
    Standalone,
    /// Takes `CareQ`'s requests; needs `RabbitMQ`. Any number may run behind a load balancer.
    Ingress,
    /// Stores what was accepted; needs `RabbitMQ`. Any number may run.
    Worker,
    /// Serves the admin API on `operations.listen`; needs no broker. `standalone` has it already.
    Console,
    /// Asks the running process that has the same settings whether it is ready; for containers.
    Healthcheck(Healthcheck),
    /// Brings the database's tables up to date.
    Migrate,
    /// Seals everything anew that is not under the current key of `seal.keys`, after a rotation.
    Reseal(Output),
    /// Plays `CareQ` against a running installation, and checks that nothing is lost, doubled or wrong.
    Simulate(Simulation),
    /// Looks at settings, database, broker, policies, queues, clocks, keys and ports; says what is wrong and what to do, and
    /// changes nothing. Exit status 0: nothing is wrong; 1: something is; 2: something could not be examined.
    Doctor(Output),
    /// Makes and changes the clinics that may call.
    #[command(subcommand)]
    Clinic(ClinicCommand),
    /// Makes and changes those who may use the admin API.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Looks whether the audit log is as it was written.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Shows what could not be stored, and replays, corrects or discards it.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

/// What to ask a running process.
#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// Asks only whether it is alive.
    #[arg(long)]
    pub(crate) live: bool,
    /// How long the answer may take.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) within: Duration,
}

/// What to do with the audit log; `dead-letters audit` lists it.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Reads every entry, and names the first one that was changed, removed or inserted. Prints the head of the chain, to be noted
    /// elsewhere: who can change the whole chain cannot change what stands there.
    Verify(Output),
}
