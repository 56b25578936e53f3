//! The arguments of `careq-sync clinic`.

use std::time::Duration;

use careq_shared::clinics::Setting;
use careq_shared::networks::Networks;
use clap::{Args, Subcommand, ValueEnum};

use super::output::Output;
use super::setting;

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
