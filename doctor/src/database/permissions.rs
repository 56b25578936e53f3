//! The privileges of the role: those for all statements of careq-sync, and no more on the audit log.

use careq_shared::config::Config;
use careq_shared::entities;
use sea_orm::{DatabaseConnection, DbErr};

use super::{row, rows};
use crate::report::Finding;

/// The role's privileges on `audit_log`, if the table exists, and whether the role owns it.
const AUDIT_LOG: &str = "SELECT pg_has_role(relowner, 'USAGE') AS owns, has_table_privilege(oid, 'UPDATE, TRUNCATE') AS may_change,
    has_table_privilege(oid, 'DELETE') AS may_delete FROM pg_class WHERE oid = to_regclass('audit_log')";

pub(crate) async fn examine(database: &DatabaseConnection, config: &Config) -> Result<Vec<Finding>, DbErr> {
    let deletes_entries = config.retention.audit_days > 0;
    let role: String = row(database, "SELECT current_user::text AS role").await?.try_get_by("role")?;
    let mut findings = Vec::new();
    for missing in rows(database, &missing(deletes_entries)).await? {
        let (privilege, tables): (String, String) =
            (missing.try_get_by("privilege")?, missing.try_get_by("tables")?);
        findings.push(
            Finding::error("permissions.tables", format!("the role {role} has no {privilege} on {tables}"))
                .means("statements that need it fail and are retried: events are not stored, or expired rows are not deleted")
                .remedy(format!("GRANT {privilege} ON {tables} TO \"{role}\"")),
        );
    }
    findings.extend(audit_log(database, &role, deletes_entries).await?);
    if findings.is_empty() {
        let seen = format!("the role {role} has the privileges that careq-sync needs");
        findings.push(Finding::well("permissions.well", seen));
    }
    Ok(findings)
}

/// The query for missing privileges, each with its tables. Tables that do not exist are skipped.
fn missing(deletes_entries: bool) -> String {
    let is_audit_log = |name: &String| name == "audit_log";
    let deleted_from = entities::deleted_from();
    let mut needed = Vec::new();
    for name in entities::tables() {
        let privileges = [
            ("SELECT", true),
            ("INSERT", true),
            ("UPDATE", !is_audit_log(&name)),
            ("DELETE", deleted_from.contains(&name) && (deletes_entries || !is_audit_log(&name))),
        ];
        let privileges = privileges.into_iter().filter(|(_, is_needed)| *is_needed);
        needed.extend(privileges.map(|(privilege, _)| format!("('{name}', '{privilege}')")));
    }
    format!(
        "SELECT privilege, string_agg(name, ', ' ORDER BY name) AS tables FROM (VALUES {}) AS needed (name, privilege)
         WHERE NOT coalesce(has_table_privilege(to_regclass(name), privilege), true) GROUP BY privilege",
        needed.join(", ")
    )
}

/// Audit entries are only inserted, so the role needs neither UPDATE nor, without a retention, DELETE.
async fn audit_log(
    database: &DatabaseConnection,
    role: &str,
    deletes_entries: bool,
) -> Result<Option<Finding>, DbErr> {
    let Some(found) = rows(database, AUDIT_LOG).await?.pop() else { return Ok(None) };
    let (owns, may_change, may_delete): (bool, bool, bool) =
        (found.try_get_by("owns")?, found.try_get_by("may_change")?, found.try_get_by("may_delete")?);
    if !may_change && (!may_delete || deletes_entries) {
        return Ok(None);
    }
    let remedy = if owns {
        format!(
            "create a role that no process uses, such as careq_owner; ALTER TABLE audit_log OWNER TO careq_owner; GRANT SELECT, INSERT ON \
             audit_log TO \"{role}\"; and run `careq-sync migrate` as that role at upgrades"
        )
    } else {
        format!("REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM \"{role}\"")
    };
    let kept = if deletes_entries { "; retention.audit_days needs DELETE" } else { "" };
    let seen = format!("the role {role} may change or delete entries of the audit log");
    let finding = Finding::warning("permissions.audit_log", seen)
        .means(
            "its users can hide what they did; `careq-sync audit verify` reports it, unless they recompute the whole chain",
        )
        .remedy(remedy + kept);
    Ok(Some(finding))
}
