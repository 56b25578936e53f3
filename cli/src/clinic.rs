//! `careq-sync clinic`. Only the command that creates a secret prints it.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use careq_shared::clinics::{self, Change, Configuration, CredentialKind, Summary};
use careq_shared::config::Config;
use careq_shared::seal;
use sea_orm::DatabaseConnection;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::arguments::clinic::{Changes, ClinicCommand, Credential, OneClinic, OneSecret};
use crate::arguments::output::Output;
use crate::environment::print;
use crate::migrate;

pub(crate) async fn run(config: &Config, command: ClinicCommand) -> Result<()> {
    let database = migrate::connect(config).await?;
    let keys = || seal::open(config);
    match command {
        ClinicCommand::Add { clinic, sign, api_key, webhook_secret } => {
            let optional = [
                (api_key, CredentialKind::ApiKey),
                (webhook_secret, CredentialKind::WebhookSecret),
                (sign, CredentialKind::SigningSecret),
            ];
            let optional: Vec<_> =
                optional.iter().filter(|(asked, _)| *asked).map(|(_, kind)| *kind).collect();
            let secrets = clinics::add(&database, &keys, &clinic.clinic_id, &optional).await?;
            show_secrets(&clinic, &secrets);
        }
        ClinicCommand::Set { secret, credential } => {
            let change = change(&secret, credential)?;
            let made = clinics::set(&database, &keys, &change).await?;
            show_secrets(&secret.clinic, &[(change.kind, made)]);
        }
        ClinicCommand::Rotate { secret, credential, overlap } => {
            let change = change(&secret, credential)?;
            let made = clinics::rotate(&database, &keys, &change, overlap).await?;
            show_secrets(&secret.clinic, &[(change.kind, made)]);
        }
        ClinicCommand::Unset { clinic, credential } => {
            let kind = kind(credential);
            clinics::unset(&database, &clinic.clinic_id, kind).await?;
            confirm(&clinic, &format!("is no longer asked for a {kind}"), (kind.as_str(), json!(null)));
        }
        ClinicCommand::Configure { clinic, changes } => {
            configure(&database, &clinic, changes).await?;
        }
        ClinicCommand::Disable(clinic) => {
            clinics::disable(&database, &clinic.clinic_id).await?;
            confirm(&clinic, "is disabled", ("disabled", json!(true)));
        }
        ClinicCommand::Show(clinic) => show_one(&clinic, &find(&database, &clinic).await?),
        ClinicCommand::List(output) => list(output, &clinics::list(&database).await?),
    }
    Ok(())
}

async fn configure(database: &DatabaseConnection, clinic: &OneClinic, changes: Changes) -> Result<()> {
    let Changes { answer_within_ms, rate_per_minute, rate_burst, addresses } = changes;
    let configuration = Configuration { answer_within_ms, rate_per_minute, rate_burst, addresses };
    clinics::configure(database, &clinic.clinic_id, configuration).await?;
    show_one(clinic, &find(database, clinic).await?);
    Ok(())
}

async fn find(database: &DatabaseConnection, clinic: &OneClinic) -> Result<Summary> {
    let known = clinics::list(database).await?.into_iter().find(|known| known.clinic_id == clinic.clinic_id);
    known.with_context(|| clinics::ClinicError::Unknown(clinic.clinic_id.clone()).to_string())
}

const fn kind(credential: Credential) -> CredentialKind {
    match credential {
        Credential::Token => CredentialKind::Token,
        Credential::ApiKey => CredentialKind::ApiKey,
        Credential::WebhookSecret => CredentialKind::WebhookSecret,
        Credential::SigningSecret => CredentialKind::SigningSecret,
    }
}

fn change(secret: &OneSecret, credential: Credential) -> Result<Change<'_>> {
    let given = if secret.stdin { Some(given()?) } else { None };
    Ok(Change { clinic_id: &secret.clinic.clinic_id, kind: kind(credential), given })
}

/// Reads a secret from standard input: arguments are visible to every user of the machine.
fn given() -> Result<SecretString> {
    /// Longer than any secret. Standard input may be endless.
    const MAX_SECRET_BYTES: u64 = 4_096;
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_SECRET_BYTES)
        .read_to_string(&mut text)
        .context("standard input cannot be read")?;
    if text.trim().is_empty() {
        bail!("--stdin reads the secret from standard input, and there is none");
    }
    Ok(text.trim().into())
}

fn show_secrets(clinic: &OneClinic, secrets: &[(CredentialKind, SecretString)]) {
    let mut as_json = Map::from_iter([("clinic_id".to_owned(), json!(clinic.clinic_id))]);
    as_json.extend(
        secrets.iter().map(|(kind, secret)| (kind.as_str().to_owned(), json!(secret.expose_secret()))),
    );
    show(clinic.output, &Value::Object(as_json), || {
        let paragraphs = secrets.iter().map(|(kind, secret)| {
            let (name, secret) = (kind.to_string().replace('-', " "), secret.expose_secret());
            format!(
                "The {name} of {}, shown only now:\n\n    {secret}\n\n{}",
                clinic.clinic_id,
                sent_as(*kind)
            )
        });
        paragraphs.collect::<Vec<_>>().join("\n\n")
    });
}

const fn sent_as(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "CareQ sends it as `Authorization: Bearer TOKEN`.",
        CredentialKind::ApiKey => "CareQ sends it as `X-API-Key: KEY`.",
        CredentialKind::WebhookSecret => "CareQ sends it as `X-Webhook-Secret: SECRET`.",
        CredentialKind::SigningSecret => {
            "CareQ signs each body with it (HMAC-SHA256), and sends `X-CareQ-Signature: sha256=HEX` and \
             `X-CareQ-Timestamp: UNIX SECONDS`."
        }
    }
}

fn confirm(clinic: &OneClinic, change: &str, (name, value): (&str, Value)) {
    let mut as_json = Map::from_iter([("clinic_id".to_owned(), json!(clinic.clinic_id))]);
    as_json.insert(name.to_owned(), value);
    show(clinic.output, &Value::Object(as_json), || {
        format!("Clinic {} {change}; every ingress knows within ten seconds.", clinic.clinic_id)
    });
}

fn as_json(clinic: &Summary) -> Value {
    let valid = CredentialKind::ALL.map(|kind| (kind.as_str().to_owned(), json!(clinic.valid_of(kind))));
    json!({
        "clinic_id": clinic.clinic_id,
        "created_at": clinic.created_at,
        "disabled_at": clinic.disabled_at,
        "valid_tokens": clinic.valid_of(CredentialKind::Token),
        "valid": Map::from_iter(valid),
        "answer_within_ms": clinic.answer_within_ms,
        "rate_per_minute": clinic.rate_per_minute,
        "rate_burst": clinic.rate_burst,
        "addresses": clinic.addresses,
    })
}

fn show_one(clinic: &OneClinic, summary: &Summary) {
    show(clinic.output, &as_json(summary), || {
        let number = |value: Option<i32>| value.map_or("default".to_owned(), |value| value.to_string());
        let asked: Vec<_> =
            summary.valid.iter().map(|(kind, count)| format!("{kind} ({count} valid)")).collect();
        [
            format!("clinic            {}", summary.clinic_id),
            format!("state             {}", state(summary)),
            format!("asked for         {}", asked.join(", ")),
            format!("addresses         {}", summary.addresses.as_deref().unwrap_or("anywhere")),
            format!("rate per minute   {}", number(summary.rate_per_minute)),
            format!("rate burst        {}", number(summary.rate_burst)),
            format!("answer within ms  {}", number(summary.answer_within_ms)),
        ]
        .join("\n")
    });
}

fn list(output: Output, clinics: &[Summary]) {
    show(output, &clinics.iter().map(as_json).collect::<Value>(), || {
        let width =
            clinics.iter().map(|clinic| clinic.clinic_id.chars().count()).fold("CLINIC".len(), usize::max);
        let mut lines = vec![format!("{:width$}  CREATED     TOKENS  STATE", "CLINIC")];
        lines.extend(clinics.iter().map(|clinic| {
            let (created, tokens) = (clinic.created_at.date_naive(), clinic.valid_of(CredentialKind::Token));
            format!("{:width$}  {created}  {tokens:>6}  {}", clinic.clinic_id, state(clinic))
        }));
        lines.join("\n")
    });
}

fn state(clinic: &Summary) -> &'static str {
    if clinic.disabled_at.is_some() { "disabled" } else { "enabled" }
}

fn show(output: Output, as_json: &Value, as_text: impl FnOnce() -> String) {
    print(&if output.json { as_json.to_string() } else { as_text() });
}
