//! Whether PostgreSQL logs the parameters of statements. They are patients' data, which are neither sealed nor erased in its log.

use std::collections::BTreeMap;

use sea_orm::{DatabaseConnection, DbErr};

use super::{row, rows};
use crate::finding::{Finding, or_query_failed};

/// The settings of this session, which include those of the role (PostgreSQL manual, "Error Reporting and Logging"; pgAudit; `auto_explain`).
const SETTINGS: &str = "SELECT name, setting FROM pg_settings WHERE name IN (
    'log_statement', 'log_min_duration_statement', 'log_min_duration_sample', 'log_statement_sample_rate', 'log_transaction_sample_rate',
    'log_parameter_max_length', 'log_parameter_max_length_on_error', 'auto_explain.log_min_duration',
    'auto_explain.log_parameter_max_length', 'pgaudit.log_parameter')";

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(look(database).await)
}

async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let role: String = row(database, "SELECT current_user::text AS role").await?.try_get_by("role")?;
    let mut settings = BTreeMap::new();
    for found in rows(database, SETTINGS).await? {
        settings.insert(found.try_get_by::<String, _>("name")?, found.try_get_by::<String, _>("setting")?);
    }
    Ok(judged(&role, &settings))
}

fn judged(role: &str, settings: &BTreeMap<String, String>) -> Vec<Finding> {
    let of = |name: &str| settings.get(name).map(String::as_str);
    let number = |name: &str| of(name).and_then(|value| value.parse::<f64>().ok());
    let is_on = |name: &str| number(name).is_some_and(|value| value >= 0.0);
    let is_positive = |name: &str| number(name).is_some_and(|value| value > 0.0);
    let statements = [
        ("log_statement", matches!(of("log_statement"), Some("mod" | "all"))),
        ("log_min_duration_statement", is_on("log_min_duration_statement")),
        (
            "log_min_duration_sample",
            is_on("log_min_duration_sample") && is_positive("log_statement_sample_rate"),
        ),
        ("log_transaction_sample_rate", is_positive("log_transaction_sample_rate")),
    ];
    let mut written = Vec::new();
    // Before version 13 there was no such limit: parameters were always written with their statement.
    if of("log_parameter_max_length") != Some("0") {
        let by = statements.iter().filter(|(_, writes)| *writes).map(|(name, _)| *name);
        written.extend(by.map(|by| (by, "log_parameter_max_length = 0")));
    }
    if of("log_parameter_max_length_on_error").is_some_and(|length| length != "0") {
        written.push(("log_parameter_max_length_on_error", "log_parameter_max_length_on_error = 0"));
    }
    let explains = is_on("auto_explain.log_min_duration");
    if explains && of("auto_explain.log_parameter_max_length").is_some_and(|length| length != "0") {
        written.push(("auto_explain.log_min_duration", "auto_explain.log_parameter_max_length = 0"));
    }
    if of("pgaudit.log_parameter") == Some("on") {
        written.push(("pgaudit.log_parameter", "pgaudit.log_parameter = off"));
    }
    if written.is_empty() {
        return vec![Finding::well("logging.well", "PostgreSQL writes no parameters of ours to its log")];
    }
    let named: Vec<_> =
        written.iter().map(|(name, _)| format!("{name} = {}", of(name).unwrap_or_default())).collect();
    let mut remedies: Vec<_> =
        written.iter().map(|(_, remedy)| format!("ALTER ROLE \"{role}\" SET {remedy};")).collect();
    remedies.dedup();
    let seen = format!("PostgreSQL writes parameters of our statements to its log: {}", named.join(", "));
    vec![
        Finding::warning("logging.parameters", seen)
            .means("patients' data stand in that log in clear: it is neither sealed nor erased, and often read by others")
            .remedy(format!(
                "as a superuser: {} Then restart every process. Before PostgreSQL 13, switch off what is named, for this role",
                remedies.join(" ")
            )),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(settings: &[(&str, &str)]) -> String {
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let finding = judged("careq", &settings).remove(0);
        format!("{} {}", finding.code, finding.remedy.unwrap_or_default())
    }

    #[test]
    fn several_settings_log_parameters() {
        let usual = [
            ("log_statement", "none"),
            ("log_min_duration_statement", "-1"),
            ("log_parameter_max_length", "-1"),
        ];
        assert!(codes(&usual).starts_with("logging.well"));
        let quiet = [
            ("log_statement", "ddl"),
            ("log_min_duration_statement", "0"),
            ("log_parameter_max_length", "0"),
        ];
        assert!(codes(&quiet).starts_with("logging.well"));
        for (name, value) in [
            ("log_statement", "all"),
            ("log_statement", "mod"),
            ("log_min_duration_statement", "0"),
            ("log_min_duration_statement", "250"),
            ("log_transaction_sample_rate", "0.1"),
            ("log_parameter_max_length_on_error", "-1"),
            ("pgaudit.log_parameter", "on"),
        ] {
            let said = codes(&[(name, value)]);
            assert!(
                said.starts_with("logging.parameters") && said.contains("ALTER ROLE \"careq\" SET"),
                "{name}: {said}"
            );
            assert_eq!(codes(&[(name, value), ("log_parameter_max_length", "64")]), said, "{name}");
        }
        let sampled = [("log_min_duration_sample", "0"), ("log_statement_sample_rate", "0.5")];
        assert!(codes(&sampled).contains("log_parameter_max_length = 0"));
        let explained =
            [("auto_explain.log_min_duration", "0"), ("auto_explain.log_parameter_max_length", "-1")];
        assert!(codes(&explained).contains("auto_explain.log_parameter_max_length = 0"));
    }
}
