//! `careq-sync clinic`. Only the command that creates a secret prints it.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use careq_console::audit::{Actor, Origin};
use careq_console::clinics::{self, Change, Configuration, Summary};
use careq_shared::clinics::CredentialKind;
use careq_shared::config::Config;
use careq_shared::seal;
use sea_orm::DatabaseConnection;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::arguments::clinic::{Changes, ClinicCommand, OneClinic, OneSecret};
use crate::migrate;
use crate::table::{facts, table};

pub(crate) async fn run(config: &Config, command: ClinicCommand) -> Result<()> {
    let database = &migrate::connect(config).await?;
    let keys = || seal::open(config);
    let actor = &Actor::process_user(Origin::CommandLine);
    match command {
        ClinicCommand::Add { clinic, sign, api_key, webhook_secret } => {
            let optional = [
                (api_key, CredentialKind::ApiKey),
                (webhook_secret, CredentialKind::WebhookSecret),
                (sign, CredentialKind::SigningSecret),
            ];
            let optional: Vec<_> =
                optional.iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, kind)| *kind).collect();
            print_secrets(&clinic, &clinics::add(database, &keys, actor, &clinic.clinic_id, &optional).await?)
        }
        ClinicCommand::Set { secret, credential } => {
            let made = clinics::set(database, &keys, actor, &change(&secret, credential)?).await?;
            print_secrets(&secret.clinic, &[(credential, made)])
        }
        ClinicCommand::Rotate { secret, credential, overlap } => {
            let change = change(&secret, credential)?;
            let made = clinics::rotate(database, &keys, actor, &change, overlap).await?;
            print_secrets(&secret.clinic, &[(credential, made)])
        }
        ClinicCommand::Unset { clinic, credential } => {
            clinics::unset(database, actor, &clinic.clinic_id, credential).await?;
            let change = format!("no longer requires the credential {credential}");
            confirm(&clinic, &change, credential.as_str(), None)
        }
        ClinicCommand::Configure { clinic, changes } => {
            let Changes { answer_within_ms, rate_per_minute, rate_burst, addresses } = changes;
            let configuration = Configuration { answer_within_ms, rate_per_minute, rate_burst, addresses };
            clinics::configure(database, actor, &clinic.clinic_id, configuration).await?;
            show(database, &clinic).await
        }
        ClinicCommand::Disable(clinic) => {
            clinics::disable(database, actor, &clinic.clinic_id).await?;
            confirm(&clinic, "is disabled", "disabled", Some(true))
        }
        ClinicCommand::Show(clinic) => show(database, &clinic).await,
        ClinicCommand::List(output) => {
            let clinics = clinics::list(database).await?;
            output.print(&clinics.iter().map(as_json).collect::<Value>(), || list(&clinics))
        }
    }
}

fn change(secret: &OneSecret, kind: CredentialKind) -> Result<Change<'_>> {
    let given = if secret.stdin { Some(given()?) } else { None };
    Ok(Change { clinic_id: &secret.clinic.clinic_id, kind, given })
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
        bail!("--stdin reads the secret from standard input, which is empty");
    }
    Ok(text.trim().into())
}

fn print_secrets(clinic: &OneClinic, secrets: &[(CredentialKind, SecretString)]) -> Result<()> {
    let id = &clinic.clinic_id;
    let mut as_json = Map::from_iter([("clinic_id".to_owned(), json!(id))]);
    as_json.extend(
        secrets.iter().map(|(kind, secret)| (kind.as_str().to_owned(), json!(secret.expose_secret()))),
    );
    clinic.output.print(&as_json, || {
        let paragraphs = secrets.iter().map(|(kind, secret)| {
            let (name, secret) = (kind.to_string().replace('-', " "), secret.expose_secret());
            format!("The {name} of {id}, shown only once:\n\n    {secret}\n\n{}", sent_as(*kind))
        });
        paragraphs.collect::<Vec<_>>().join("\n\n")
    })
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

fn confirm(clinic: &OneClinic, change: &str, name: &str, value: Option<bool>) -> Result<()> {
    let id = &clinic.clinic_id;
    clinic.output.print(&json!({ "clinic_id": id, name: value }), || {
        format!("Clinic {id} {change}. The change applies within ten seconds.")
    })
}

fn as_json(clinic: &Summary) -> Value {
    let valid = |kind: &CredentialKind| (kind.as_str().to_owned(), json!(clinic.valid_of(*kind)));
    json!({
        "clinic_id": clinic.clinic_id,
        "created_at": clinic.created_at,
        "disabled_at": clinic.disabled_at,
        "valid_tokens": clinic.valid_of(CredentialKind::Token),
        "valid": CredentialKind::ALL.iter().map(valid).collect::<Value>(),
        "answer_within_ms": clinic.answer_within_ms,
        "rate_per_minute": clinic.rate_per_minute,
        "rate_burst": clinic.rate_burst,
        "addresses": clinic.addresses,
    })
}

async fn show(database: &DatabaseConnection, OneClinic { clinic_id, output }: &OneClinic) -> Result<()> {
    let known = clinics::list(database).await?.into_iter().find(|known| known.clinic_id == *clinic_id);
    let clinic = known.with_context(|| clinics::ClinicError::Unknown(clinic_id.clone()).to_string())?;
    output.print(&as_json(&clinic), || {
        let number = |value: Option<i32>| value.map_or("default".to_owned(), |value| value.to_string());
        let valid: Vec<_> =
            clinic.valid.iter().map(|(kind, count)| format!("{kind} ({count} valid)")).collect();
        facts(&[
            ("clinic", clinic.clinic_id.clone()),
            ("state", state(&clinic).to_owned()),
            ("credentials", valid.join(", ")),
            ("addresses", clinic.addresses.clone().unwrap_or_else(|| "all".to_owned())),
            ("rate per minute", number(clinic.rate_per_minute)),
            ("rate burst", number(clinic.rate_burst)),
            ("answer within ms", number(clinic.answer_within_ms)),
        ])
    })
}

fn list(clinics: &[Summary]) -> String {
    let row = |clinic: &Summary| {
        let (created, tokens) = (clinic.created_at.date_naive(), clinic.valid_of(CredentialKind::Token));
        [clinic.clinic_id.clone(), created.to_string(), tokens.to_string(), state(clinic).to_owned()]
    };
    table(["CLINIC", "CREATED", "TOKENS", "STATE"], clinics.iter().map(row))
        .unwrap_or_else(|| "There is no clinic.".to_owned())
}

fn state(clinic: &Summary) -> &'static str {
    if clinic.disabled_at.is_some() { "disabled" } else { "enabled" }
}
