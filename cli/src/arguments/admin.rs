//! The arguments of `careq-sync admin`.

use std::time::Duration;

use careq_console::admins::Role;
use clap::{Args, Subcommand};

use super::output::Output;

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
