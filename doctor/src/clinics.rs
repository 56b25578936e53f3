//! Clinics: whether there is one, and whether each enabled one has valid credentials.

use careq_shared::clinics::{self, Clinic, Credential, CredentialKind, Enabled};
use careq_shared::clock;
use careq_shared::database::read;
use careq_shared::seal::Seal;
use sea_orm::{DatabaseConnection, DbErr};

use crate::report::Finding;

pub(crate) async fn examine(database: &DatabaseConnection, seal: &Seal) -> Result<Vec<Finding>, DbErr> {
    let Enabled { clinics, troubles } = read(|| clinics::enabled(database, seal)).await?;
    if clinics.is_empty() && troubles.is_empty() {
        let none = Finding::warning("clinics.none", "there is no enabled clinic");
        return Ok(vec![none.means("every webhook is answered 401").remedy("careq-sync clinic add ID")]);
    }
    let mut findings: Vec<_> = clinics.iter().flat_map(without_valid_secret).collect();
    findings.extend(troubles.iter().map(|trouble| {
        let seen = format!("clinic {}: {}", trouble.clinic_id, trouble.reason);
        let (finding, means) = if trouble.is_refused {
            (Finding::error("clinics.refused", seen), "every request for this clinic is answered 401")
        } else {
            (Finding::warning("clinics.troubled", seen), "only its other secrets are accepted")
        };
        finding.means(means).remedy(
            "a value under another key: give every process the key that it names; another value: `careq-sync clinic configure`",
        )
    }));
    if findings.is_empty() {
        let seen = format!("{} clinics have valid credentials", clinics.len());
        findings.push(Finding::well("clinics.well", seen));
    }
    Ok(findings)
}

/// The required kinds of secrets of which none is valid.
fn without_valid_secret(clinic: &Clinic) -> impl Iterator<Item = Finding> {
    let has_expired = |kind| match kind {
        CredentialKind::Token => clinic.tokens.is_empty() || have_expired(&clinic.tokens),
        CredentialKind::ApiKey => have_expired(&clinic.api_keys),
        CredentialKind::WebhookSecret => have_expired(&clinic.webhook_secrets),
        CredentialKind::SigningSecret => have_expired(&clinic.signing_secrets),
    };
    let id = &clinic.clinic_id;
    CredentialKind::ALL.iter().filter(move |kind| has_expired(**kind)).map(move |kind| {
        Finding::error("clinics.expired", format!("clinic {id} has no valid {kind}"))
            .means("every request for this clinic is answered 401")
            .remedy(format!(
                "`careq-sync clinic rotate {id} {kind}` creates a new one for CareQ; `clinic disable {id}` if the \
                 clinic is to be refused"
            ))
    })
}

fn have_expired<T>(secrets: &[Credential<T>]) -> bool {
    let now = clock::now();
    !secrets.is_empty() && !secrets.iter().any(|secret| secret.is_current(now))
}
