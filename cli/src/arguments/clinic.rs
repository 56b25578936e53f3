//! The arguments of `careq-sync clinic`.

use std::time::Duration;

use careq_console::clinics::Setting;
use careq_shared::clinics::CredentialKind;
use careq_shared::networks::Networks;
use clap::{Args, Subcommand};

use super::output::Output;
use super::values;

/// The commands of `careq-sync clinic`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClinicCommand {
    /// Adds a clinic and prints its token, which is shown only once.
    Add {
        #[command(flatten)]
        clinic: OneClinic,
        /// Also creates a signing secret: every request must be signed with it.
        #[arg(long)]
        sign: bool,
        /// Also creates an API key: every request must send it as X-API-Key.
        #[arg(long)]
        api_key: bool,
        /// Also creates a webhook secret: every request must send it as X-Webhook-Secret.
        #[arg(long)]
        webhook_secret: bool,
    },
    /// Lists all clinics.
    List(Output),
    /// Shows the required credentials and the settings of a clinic, without secrets.
    Show(OneClinic),
    /// Requires one more credential from now on, and prints it once.
    Set {
        #[command(flatten)]
        secret: OneSecret,
        /// Kind of credential: api-key, webhook-secret, signing-secret.
        #[arg(value_parser = values::credential)]
        credential: CredentialKind,
    },
    /// Creates a new secret and prints it once. The old ones stay valid for the overlap.
    Rotate {
        #[command(flatten)]
        secret: OneSecret,
        /// Kind of credential: token, api-key, webhook-secret, signing-secret.
        #[arg(value_parser = values::credential, default_value = "token")]
        credential: CredentialKind,
        /// Remaining validity of the old secrets, such as 24h or 30m.
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        overlap: Duration,
    },
    /// Stops requiring a credential.
    Unset {
        #[command(flatten)]
        clinic: OneClinic,
        /// Kind of credential: api-key, webhook-secret, signing-secret.
        #[arg(value_parser = values::credential)]
        credential: CredentialKind,
    },
    /// Overrides settings for one clinic. Options that are not given stay unchanged; `default` removes an override.
    Configure {
        #[command(flatten)]
        clinic: OneClinic,
        #[command(flatten)]
        changes: Changes,
    },
    /// Disables a clinic: its requests are refused from now on. Its records stay.
    Disable(OneClinic),
}

/// The clinic to show or change.
#[derive(Debug, Args)]
pub(crate) struct OneClinic {
    /// `CareQ`'s id of the clinic, as in the `clinic_id` of its requests.
    #[arg(value_name = "ID")]
    pub(crate) clinic_id: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// The clinic that gets a secret.
#[derive(Debug, Args)]
pub(crate) struct OneSecret {
    #[command(flatten)]
    pub(crate) clinic: OneClinic,
    /// Reads the secret from standard input, for a secret that `CareQ` has issued. Otherwise a random one is created.
    #[arg(long)]
    pub(crate) stdin: bool,
}

/// The overrides of a clinic.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Changes {
    /// Time that a response may wait for the result of its event, at most 25000; 0 never waits.
    #[arg(long, value_name = "MS", value_parser = values::own_number(0..=25_000_u16))]
    pub(crate) answer_within_ms: Option<Setting<u16>>,
    /// Requests per minute; 0 = no limit.
    #[arg(long, value_name = "N", value_parser = values::own_number(0..=1_000_000_u32))]
    pub(crate) rate_per_minute: Option<Setting<u32>>,
    /// Burst of requests.
    #[arg(long, value_name = "N", value_parser = values::own_number(1..=1_000_000_u32))]
    pub(crate) rate_burst: Option<Setting<u32>>,
    /// Networks that requests are accepted from, such as `203.0.113.0/24,2001:db8::/32`; by default, all.
    #[arg(long, value_name = "NETWORKS", value_parser = values::own_networks)]
    pub(crate) addresses: Option<Setting<Networks>>,
}
