//! The command line. Every word here is relied on by scripts: it may be added to, never changed.

use std::path::PathBuf;
use std::time::Duration;

use careq_console::admins::Role;
use careq_shared::clinics::Setting;
use careq_shared::networks::Networks;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::dead_letters::DeadLettersCommand;
use crate::setting;

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

/// What to do with admins.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Makes an admin and prints its token, which is shown only once.
    Add {
        #[command(flatten)]
        admin: OneAdmin,
        /// reader: may look at everything but payloads; operator: may reveal, replay, correct and discard, too.
        #[arg(long)]
        role: Role,
        /// How long its token is good, at most a year.
        #[arg(long, value_name = "DURATION", default_value = "90days", value_parser = humantime::parse_duration)]
        expires: Duration,
    },
    /// Lists all admins, with the ends of their tokens.
    List(Output),
    /// Gives an admin a new token and prints it once; the old one is void at once.
    Rotate {
        #[command(flatten)]
        admin: OneAdmin,
        /// How long the new token is good, at most a year.
        #[arg(long, value_name = "DURATION", default_value = "90days", value_parser = humantime::parse_duration)]
        expires: Duration,
    },
    /// Refuses an admin's requests from now on.
    Disable(OneAdmin),
}

/// The admin to work on.
#[derive(Debug, Args)]
pub(crate) struct OneAdmin {
    /// A person's or a program's name, as the audit log is to have it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What to do with the audit log; `dead-letters audit` lists it.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Reads every entry, and names the first one that was changed, removed or inserted. Prints the head of the chain, to be noted
    /// elsewhere: who can change the whole chain cannot change what stands there.
    Verify(Output),
}

/// What to do with clinics.
#[derive(Debug, Subcommand)]
pub(crate) enum ClinicCommand {
    /// Makes a clinic and prints its token, which is shown only once.
    Add {
        #[command(flatten)]
        clinic: OneClinic,
        /// Makes a signing secret, too: every request must be signed with it.
        #[arg(long)]
        sign: bool,
        /// Makes an API key, too: every request must send it as X-API-Key.
        #[arg(long)]
        api_key: bool,
        /// Makes a webhook secret, too: every request must send it as X-Webhook-Secret.
        #[arg(long)]
        webhook_secret: bool,
    },
    /// Lists all clinics.
    List(Output),
    /// Shows what a clinic has to prove and what holds for it; never a secret.
    Show(OneClinic),
    /// Asks a clinic for one more secret from now on, and prints it once.
    Set {
        #[command(flatten)]
        secret: OneSecret,
        /// Which one.
        #[arg(value_enum)]
        credential: Credential,
    },
    /// Gives a clinic a new secret and prints it once; the old ones stay valid for the overlap.
    Rotate {
        #[command(flatten)]
        secret: OneSecret,
        /// Which one.
        #[arg(value_enum, default_value = "token")]
        credential: Credential,
        /// How long the old ones stay valid, such as 24h or 30m.
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        overlap: Duration,
    },
    /// No longer asks a clinic for a secret.
    Unset {
        #[command(flatten)]
        clinic: OneClinic,
        /// Which one.
        #[arg(value_enum)]
        credential: Credential,
    },
    /// Changes what holds for one clinic only. What is not named stays; `default` follows the settings again.
    Configure {
        #[command(flatten)]
        clinic: OneClinic,
        #[command(flatten)]
        changes: Changes,
    },
    /// Refuses a clinic's requests from now on. Its records stay.
    Disable(OneClinic),
}

/// The clinic to work on.
#[derive(Debug, Args)]
pub(crate) struct OneClinic {
    /// `CareQ`'s name of the clinic, as in the `clinic_id` of its requests.
    #[arg(value_name = "ID")]
    pub(crate) clinic_id: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// The clinic to give a secret.
#[derive(Debug, Args)]
pub(crate) struct OneSecret {
    #[command(flatten)]
    pub(crate) clinic: OneClinic,
    /// Reads the secret from standard input, where `CareQ` gave it; otherwise a random one is made.
    #[arg(long)]
    pub(crate) stdin: bool,
}

/// What a clinic can be asked for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Credential {
    /// Authorization: Bearer
    Token,
    /// X-API-Key
    ApiKey,
    /// X-Webhook-Secret
    WebhookSecret,
    /// The key of X-CareQ-Signature
    SigningSecret,
}

/// What is to hold for a clinic.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Changes {
    /// How long its answers may wait for their results, at most 25000; 0 never waits.
    #[arg(long, value_name = "MS", value_parser = setting::answer_within_ms)]
    pub(crate) answer_within_ms: Option<Setting<u16>>,
    /// Requests per minute; 0 = no limit.
    #[arg(long, value_name = "N", value_parser = setting::rate)]
    pub(crate) rate_per_minute: Option<Setting<u32>>,
    /// Requests at once.
    #[arg(long, value_name = "N", value_parser = setting::burst)]
    pub(crate) rate_burst: Option<Setting<u32>>,
    /// The networks that its requests come from, such as `203.0.113.0/24,2001:db8::/32`; the default is anywhere.
    #[arg(long, value_name = "NETWORKS", value_parser = setting::networks)]
    pub(crate) addresses: Option<Setting<Networks>>,
}

/// How to print.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Prints JSON, for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to play.
#[derive(Debug, Args)]
pub(crate) struct Simulation {
    /// Where an ingress listens; again for each of several. Without it, where the settings say.
    #[arg(long = "url", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// The clinics to call as: a file of what `clinic add ID --json` printed, one a line. Without it, those of the settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) clinics: Option<PathBuf>,
    /// About how many events to send.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) events: u64,
    /// Decides everything that is left to chance: the same seed, options and clinics send the same events.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Requests per second. Without it, as fast as answers come.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Requests that may be under way at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub(crate) connections: u16,
    /// Mixes the requests of many bookings, so that children come before their parents.
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// Share of requests that are sent three times.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) repeat: u8,
    /// Share of bookings whose patient comes late, or never.
    #[arg(long, value_name = "PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) orphans: u8,
    /// How long after its appointment a late patient comes, or at the end of the run, if that is earlier. Less than the
    /// installation's `worker.parent_timeout_s`.
    #[arg(long, value_name = "DELAY", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) late_after: Duration,
    /// Share of bookings that must be refused instead.
    #[arg(long, value_name = "PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) poison: u8,
    /// Share of bookings that come as a batch.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) batches: u8,
    /// The delay before the first retry, which doubles twice; the specification says 5s.
    #[arg(long, value_name = "DELAY", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) retry_after: Duration,
    /// How long an answer may take; the specification says 30s.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// How long the installation may take, after the last answer, until everything is settled.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) settle_within: Duration,
    /// Looks into this database, too; a URL as in `database.url`. Needs the installation's `seal.keys`.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}
