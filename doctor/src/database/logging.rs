//! Whether PostgreSQL logs the parameters of statements. They are patients' data, which are neither sealed nor erased in its log.

use std::collections::BTreeMap;

use sea_orm::{DatabaseConnection, DbErr};

use super::rows;
use crate::report::Finding;

/// A setting that logs parameters, unless another one limits their length to 0.
struct Source {
    setting: &'static str,
    logs: fn(&str) -> bool,
    limit: &'static str,
}

/// Exists since PostgreSQL 13. Before, a logged statement always has its parameters.
const LIMIT: &str = "log_parameter_max_length";

/// PostgreSQL manual, "Error Reporting and Logging"; pgAudit; `auto_explain`.
const SOURCES: [Source; 7] = [
    Source { setting: "log_statement", logs: |value| matches!(value, "mod" | "all"), limit: LIMIT },
    Source { setting: "log_min_duration_statement", logs: is_on, limit: LIMIT },
    Source { setting: "log_min_duration_sample", logs: is_on, limit: LIMIT },
    Source { setting: "log_transaction_sample_rate", logs: |value| value != "0", limit: LIMIT },
    Source {
        setting: "log_parameter_max_length_on_error",
        logs: |value| value != "0",
        limit: "log_parameter_max_length_on_error",
    },
    Source {
        setting: "auto_explain.log_min_duration",
        logs: is_on,
        limit: "auto_explain.log_parameter_max_length",
    },
    Source { setting: "pgaudit.log_parameter", logs: |value| value == "on", limit: "pgaudit.log_parameter" },
];

/// Whether a duration is not -1.
fn is_on(duration: &str) -> bool {
    !duration.starts_with('-')
}

pub(crate) async fn examine(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    // The settings of this session, which include those of the role.
    let sql = "SELECT name, setting, current_user::text AS role FROM pg_settings
        WHERE name LIKE 'log\\_%' OR name LIKE 'auto_explain.%' OR name LIKE 'pgaudit.%'";
    let (mut role, mut settings) = (String::new(), BTreeMap::new());
    for found in rows(database, sql).await? {
        role = found.try_get_by("role")?;
        settings.insert(found.try_get_by("name")?, found.try_get_by("setting")?);
    }
    Ok(vec![judged(&role, &settings)])
}

fn judged(role: &str, settings: &BTreeMap<String, String>) -> Finding {
    let (mut seen, mut remedies) = (Vec::new(), Vec::new());
    for Source { setting, logs, limit } in SOURCES {
        let off = if limit == "pgaudit.log_parameter" { "off" } else { "0" };
        let is_unlimited = settings.get(limit).map_or(limit == LIMIT, |length| length != off);
        if let Some(value) = settings.get(setting).filter(|value| logs(value) && is_unlimited) {
            seen.push(format!("{setting} = {value}"));
            remedies.push(format!("ALTER ROLE \"{role}\" SET {limit} = {off};"));
        }
    }
    if seen.is_empty() {
        return Finding::well("logging.well", "PostgreSQL does not log parameters");
    }
    remedies.dedup();
    Finding::warning("logging.parameters", format!("PostgreSQL logs parameters: {}", seen.join(", ")))
        .means("the log holds patients' data in clear, neither sealed nor erased")
        .remedy(format!(
            "as a superuser: {} Then restart every process. Before PostgreSQL 13, switch off what is named, for this role",
            remedies.join(" ")
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_settings_log_parameters() {
        let explain = ("auto_explain.log_min_duration", "0");
        let quiet = [
            vec![("log_statement", "none"), ("log_min_duration_statement", "-1"), (LIMIT, "-1")],
            vec![("log_statement", "ddl"), ("log_min_duration_statement", "0"), (LIMIT, "0")],
            vec![explain],
        ];
        let loud = [
            (vec![("log_statement", "all")], LIMIT),
            (vec![("log_statement", "mod"), (LIMIT, "64")], LIMIT),
            (vec![("log_min_duration_statement", "0")], LIMIT),
            (vec![("log_min_duration_statement", "250"), (LIMIT, "-1")], LIMIT),
            (vec![("log_min_duration_sample", "0"), (LIMIT, "64")], LIMIT),
            (vec![("log_transaction_sample_rate", "0.1")], LIMIT),
            (vec![("log_parameter_max_length_on_error", "-1")], "log_parameter_max_length_on_error"),
            (
                vec![explain, ("auto_explain.log_parameter_max_length", "-1")],
                "auto_explain.log_parameter_max_length",
            ),
            (vec![("pgaudit.log_parameter", "on")], "pgaudit.log_parameter"),
        ];
        let judged = |settings: &[(&str, &str)]| {
            let own = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            judged("careq", &own.collect())
        };
        for settings in quiet {
            assert_eq!(judged(&settings).code, "logging.well", "{settings:?}");
        }
        for (settings, limit) in loud {
            let remedy = judged(&settings).remedy.unwrap();
            assert!(
                remedy.contains(&format!("ALTER ROLE \"careq\" SET {limit} = ")),
                "{settings:?}: {remedy}"
            );
        }
    }
}
