//! The arguments of `careq-sync admin`.

use std::time::Duration;

use careq_console::admins::Role;
use clap::{Args, Subcommand};

use super::output::Output;

/// The commands of `careq-sync admin`.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Adds an admin and prints its token, which is shown only once.
    Add {
        #[command(flatten)]
        admin: OneAdmin,
        /// reader: reads everything but payloads; operator: reveals, replays, corrects and discards, too.
        #[arg(long)]
        role: Role,
        /// Validity of the token, at most 366 days.
        #[arg(long, value_name = "DURATION", default_value = "90days", value_parser = humantime::parse_duration)]
        expires: Duration,
    },
    /// Lists all admins, with the expiry of their tokens.
    List(Output),
    /// Replaces an admin's token at once and prints the new one, which is shown only once.
    Rotate {
        #[command(flatten)]
        admin: OneAdmin,
        /// Validity of the new token, at most 366 days.
        #[arg(long, value_name = "DURATION", default_value = "90days", value_parser = humantime::parse_duration)]
        expires: Duration,
    },
    /// Disables an admin: its requests are refused from now on.
    Disable(OneAdmin),
}

/// The admin to change.
#[derive(Debug, Args)]
pub(crate) struct OneAdmin {
    /// Name of a person or program, as recorded in the audit log.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: Output,
}
