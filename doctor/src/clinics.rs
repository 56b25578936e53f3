//! Clinics: whether there is one, and whether each enabled one has valid credentials.

use careq_shared::clinics::{self, Clinic, Credential, CredentialKind, Enabled, Trouble};
use careq_shared::clock;
use careq_shared::config::ClinicSeed;
use careq_shared::database::read;
use careq_shared::seal::Seal;
use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::finding::{Finding, or_query_failed};

pub(crate) async fn examine(
    database: &DatabaseConnection,
    seal: &Seal,
    seeds: &[ClinicSeed],
) -> Vec<Finding> {
    or_query_failed(look(database, seal, seeds).await)
}

async fn look(
    database: &DatabaseConnection,
    seal: &Seal,
    seeds: &[ClinicSeed],
) -> Result<Vec<Finding>, DbErr> {
    let Enabled { clinics, troubles } = read(|| clinics::enabled(database, seal)).await?;
    if clinics.is_empty() && troubles.is_empty() {
        return Ok(vec![
            Finding::warning("clinics.none", "there is no clinic that is enabled")
                .means("every webhook is answered 401")
                .remedy("careq-sync clinic add ID"),
        ]);
    }
    let now = clock::now();
    let mut findings: Vec<_> = troubles.iter().map(trouble).collect();
    findings.extend(clinics.iter().flat_map(|clinic| expired(clinic, now)));
    findings.extend(read(|| clinics::unheeded(database, seeds)).await?.iter().map(|clinic_id| {
        Finding::warning(
            "clinics.token_unheeded",
            format!("the token that the setting clinics (CAREQ_CLINICS) has for clinic {clinic_id} is none that is valid"),
        )
        .means("it is ignored, since a clinic that exists keeps its tokens: requests with it are answered 401")
        .remedy(format!("`careq-sync clinic rotate {clinic_id} --stdin` gives the clinic that token; or take the entry away"))
    }));
    if findings.is_empty() {
        findings.push(Finding::well("clinics.well", format!("{} clinics may call", clinics.len())));
    }
    Ok(findings)
}

fn trouble(Trouble { clinic_id, is_refused, reason }: &Trouble) -> Finding {
    let seen = format!("clinic {clinic_id}: {reason}");
    // The event key is sealed, too. It cannot be replaced, since all event ids are derived from it.
    let remedy = "give the processes the key that it names, from wherever copies of the sealing keys are kept; change \
                  nothing meanwhile: what is sealed under that key opens with it, and with nothing else";
    if *is_refused {
        Finding::error("clinics.refused", seen)
            .means("every request for this clinic is answered 401")
            .remedy(remedy)
    } else {
        Finding::warning("clinics.troubled", seen)
            .means("the clinic is let in by its other secrets alone")
            .remedy(remedy)
    }
}

/// The kinds of required secrets of which none is valid.
fn expired(clinic: &Clinic, now: DateTime<Utc>) -> Vec<Finding> {
    let has_expired = |kind| match kind {
        CredentialKind::Token => clinic.tokens.is_empty() || none_is_valid(&clinic.tokens, now),
        CredentialKind::ApiKey => none_is_valid(&clinic.api_keys, now),
        CredentialKind::WebhookSecret => none_is_valid(&clinic.webhook_secrets, now),
        CredentialKind::SigningSecret => none_is_valid(&clinic.signing_secrets, now),
    };
    let finding = |kind: CredentialKind| {
        let id = &clinic.clinic_id;
        Finding::error("clinics.expired", format!("clinic {id} has no {kind} that is still valid"))
            .means("every request for this clinic is answered 401")
            .remedy(format!(
                "`careq-sync clinic rotate {id} {kind}` makes a new one to give to CareQ; `clinic disable {id}` \
                 where it is to be refused"
            ))
    };
    CredentialKind::ALL.into_iter().filter(|kind| has_expired(*kind)).map(finding).collect()
}

fn none_is_valid<T>(secrets: &[Credential<T>], now: DateTime<Utc>) -> bool {
    !secrets.is_empty() && !secrets.iter().any(|secret| secret.is_current(now))
}
