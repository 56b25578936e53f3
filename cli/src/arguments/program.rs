//! The command line as a whole. From the first release on, commands and options are only added, since scripts rely on them.

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
    /// File of settings that differ from the defaults (see config.default.toml). Environment variables override it.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ingress and worker in one process (the default).
    Standalone,
    /// Accepts `CareQ`'s webhooks; needs `RabbitMQ`. Any number may run behind a load balancer.
    Ingress,
    /// Stores accepted events; needs `RabbitMQ`. Any number may run.
    Worker,
    /// Serves the admin API on `operations.listen`; needs no broker. `standalone` includes it.
    Console,
    /// Checks whether the running process with the same settings is ready; for containers.
    Healthcheck(Healthcheck),
    /// Applies pending database migrations.
    Migrate,
    /// Re-encrypts all values that are not under the current key of `seal.keys`, after a key rotation.
    Reseal(Output),
    /// Sends generated webhooks to a running installation, and checks that no event is lost, duplicated or wrong.
    Simulate(Simulation),
    /// Examines settings, database, broker, policies, queues, clocks, keys and ports; reports faults with their remedies, and
    /// changes nothing. Exit status 0: no fault; 1: a fault; 2: something could not be examined.
    Doctor(Output),
    /// Adds and changes clinics.
    #[command(subcommand)]
    Clinic(ClinicCommand),
    /// Adds and changes the users of the admin API.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Verifies the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Lists and shows events that could not be stored; replays, corrects or discards them.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
        #[command(flatten)]
        output: Output,
    },
}

/// The arguments of `careq-sync healthcheck`.
#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// Checks only whether the process is alive.
    #[arg(long)]
    pub(crate) live: bool,
    /// Timeout of the response.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) within: Duration,
}

/// The commands of `careq-sync audit`. `dead-letters audit` lists the entries.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Reads every entry, and reports the first one that was changed, removed or inserted. Prints the head of the hash chain. Record it
    /// elsewhere: an attacker who can rewrite the whole chain cannot change that copy.
    Verify(Output),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parses(line: &str) -> bool {
        Arguments::try_parse_from(format!("careq-sync {line}").split(' ')).is_ok()
    }

    #[test]
    fn a_command_takes_only_options_that_have_an_effect() {
        for line in [
            "dead-letters show 6ba7 --reveal --reason x --as Asha",
            "dead-letters replay --all --as Asha",
            "dead-letters correct 6ba7 --with - --as Asha",
            "dead-letters discard --all --reason x --as Asha",
            "dead-letters reopen --all --reason x --as Asha",
            "dead-letters jobs pause 6ba7 --as Asha",
            "dead-letters jobs resume 6ba7 --as Asha",
            "dead-letters jobs cancel 6ba7 --as Asha",
        ] {
            assert!(parses(line) && parses(&format!("{line} --json")), "{line}");
        }
        for line in [
            "dead-letters list",
            "dead-letters show 6ba7",
            "dead-letters jobs",
            "dead-letters jobs list",
            "dead-letters jobs show 6ba7",
            "dead-letters jobs watch 6ba7",
            "dead-letters audit",
            "clinic list",
            "admin list",
            "audit verify",
            "doctor",
        ] {
            assert!(parses(line) && parses(&format!("{line} --json")), "{line}");
            assert!(!parses(&format!("{line} --as Asha")), "{line}");
        }
        for line in ["standalone", "ingress", "worker", "console", "healthcheck", "migrate"] {
            assert!(parses(line) && !parses(&format!("{line} --json")), "{line}");
        }
        for line in ["replay --all --dry-run", "discard --all --dry-run"] {
            assert!(parses(&format!("dead-letters {line}")), "{line}");
            assert!(
                !parses(&format!("dead-letters {line} --as Asha")),
                "a dry run has no entry in the audit log"
            );
        }
        assert!(!parses("dead-letters replay --all --dry-run --wait"), "a dry run has no outcome");
        assert!(!parses("dead-letters replay --all --dry-run --rate 5"), "a dry run publishes nothing");
        assert!(!parses("dead-letters discard --all --dry-run --reason x"), "a dry run discards nothing");
        assert!(!parses("dead-letters --as Asha list"));
        let next = "5f5e100.6ba7b8129dad11d180b400c04fd430c8";
        assert!(parses(&format!("dead-letters list --after {next}")));
        assert!(!parses(&format!("dead-letters list --group --after {next}")), "causes have one page");
    }
}
