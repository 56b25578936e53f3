//! `careq-sync clinic …`. A token must never be printed but by the command that makes it.

use anyhow::Result;
use careq_shared::clinics::{self, Summary};
use careq_shared::config::Config;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::arguments::{ClinicCommand, OneClinic, Output};
use crate::environment::print;
use crate::migrate;

pub(crate) async fn run(config: &Config, command: ClinicCommand) -> Result<()> {
    let database = migrate::connect(config).await?;
    match command {
        ClinicCommand::Add(clinic) => show_token(&clinic, &clinics::add(&database, &clinic.clinic_id).await?),
        ClinicCommand::Rotate { clinic, overlap } => {
            show_token(&clinic, &clinics::rotate(&database, &clinic.clinic_id, overlap).await?);
        }
        ClinicCommand::Configure { clinic, answer_within_ms } => {
            clinics::set_answer_within(&database, &clinic.clinic_id, answer_within_ms).await?;
            show(
                clinic.output,
                &json!({ "clinic_id": clinic.clinic_id, "answer_within_ms": answer_within_ms }),
                || format!("Clinic {} is configured; every ingress knows within seconds.", clinic.clinic_id),
            );
        }
        ClinicCommand::Disable(clinic) => {
            clinics::disable(&database, &clinic.clinic_id).await?;
            show(clinic.output, &json!({ "clinic_id": clinic.clinic_id, "disabled": true }), || {
                format!("Clinic {} is disabled; every ingress knows within seconds.", clinic.clinic_id)
            });
        }
        ClinicCommand::List(output) => list(output, &clinics::list(&database).await?),
    }
    Ok(())
}

fn show_token(clinic: &OneClinic, token: &SecretString) {
    let token = token.expose_secret();
    show(clinic.output, &json!({ "clinic_id": clinic.clinic_id, "token": token }), || {
        format!(
            "Token of {}, shown only now:\n\n    {token}\n\nCareQ sends it as `Authorization: Bearer TOKEN`.",
            clinic.clinic_id
        )
    });
}

fn list(output: Output, clinics: &[Summary]) {
    let as_json = clinics.iter().map(|clinic| {
        json!({
            "clinic_id": clinic.clinic_id,
            "created_at": clinic.created_at,
            "disabled_at": clinic.disabled_at,
            "valid_tokens": clinic.valid_tokens,
        })
    });
    show(output, &as_json.collect::<Value>(), || {
        let width =
            clinics.iter().map(|clinic| clinic.clinic_id.chars().count()).fold("CLINIC".len(), usize::max);
        let mut lines = vec![format!("{:width$}  CREATED     TOKENS  STATE", "CLINIC")];
        lines.extend(clinics.iter().map(|clinic| {
            let state = if clinic.disabled_at.is_some() { "disabled" } else { "enabled" };
            let created = clinic.created_at.date_naive();
            format!("{:width$}  {created}  {:>6}  {state}", clinic.clinic_id, clinic.valid_tokens)
        }));
        lines.join("\n")
    });
}

fn show(output: Output, as_json: &Value, for_people: impl FnOnce() -> String) {
    print(&if output.json { as_json.to_string() } else { for_people() });
}
