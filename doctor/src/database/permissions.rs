//! The privileges of the role: those for all statements of careq-sync, and for the migrations that each process applies at its start.

use careq_shared::config::Config;
use careq_shared::entities;
use sea_orm::{DatabaseConnection, DbErr};

use super::{row, rows};
use crate::finding::{Finding, or_query_failed};

const ROLE: &str = "SELECT current_user::text AS role, current_schema()::text AS schema,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create";

/// The role's privileges on `audit_log`, if the table exists, and whether the role owns it.
const AUDIT_LOG: &str = "SELECT pg_has_role(relowner, 'USAGE') AS owns, has_table_privilege(oid, 'UPDATE, TRUNCATE') AS may_change,
    has_table_privilege(oid, 'DELETE') AS may_delete FROM pg_class WHERE oid = to_regclass('audit_log')";

pub(crate) async fn examine(database: &DatabaseConnection, config: &Config) -> Vec<Finding> {
    or_query_failed(look(database, config.retention.audit_days > 0).await)
}

async fn look(database: &DatabaseConnection, deletes_entries: bool) -> Result<Vec<Finding>, DbErr> {
    let found = row(database, ROLE).await?;
    let role: String = found.try_get_by("role")?;
    let schema: Option<String> = found.try_get_by("schema")?;
    let Some(schema) = schema else { return Ok(vec![no_schema(&role)]) };
    let mut findings = Vec::new();
    if !found.try_get_by::<bool, _>("may_create")? {
        findings.push(
            Finding::error(
                "permissions.create",
                format!("the role {role} may not create tables in the schema {schema}"),
            )
            .means("no process starts: each brings the tables up to date first")
            .remedy(format!("GRANT CREATE ON SCHEMA \"{schema}\" TO \"{role}\"")),
        );
    }
    for (privilege, tables) in missing(database, deletes_entries).await? {
        let tables = tables.join(", ");
        findings.push(
            Finding::error("permissions.tables", format!("the role {role} has no {privilege} on {tables}"))
                .means("statements that need it fail and are retried: events are not stored, or expired rows are not deleted")
                .remedy(format!("GRANT {privilege} ON {tables} TO \"{role}\"")),
        );
    }
    findings.extend(audit_log(database, &role, deletes_entries).await?);
    if findings.is_empty() {
        let seen = format!("the role {role} may do all that careq-sync does in the schema {schema}");
        findings.push(Finding::well("permissions.well", seen));
    }
    Ok(findings)
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
            "make a role that no process uses, say careq_owner; ALTER TABLE audit_log OWNER TO careq_owner; GRANT SELECT, INSERT ON \
             audit_log TO \"{role}\"; and run `careq-sync migrate` as that role at upgrades"
        )
    } else {
        format!("REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM \"{role}\"")
    };
    let kept = if deletes_entries { "; retention.audit_days needs DELETE" } else { "" };
    Ok(Some(
        Finding::warning(
            "permissions.audit_log",
            format!("the role {role} may change or delete entries of the audit log"),
        )
        .means(
            "those who have its password can hide what they did; `careq-sync audit verify` shows it, unless they recompute the whole \
             chain",
        )
        .remedy(remedy + kept),
    ))
}

fn no_schema(role: &str) -> Finding {
    Finding::error(
        "permissions.schema",
        format!("the role {role} has no schema: none of its search_path is there, or open to it"),
    )
    .means("careq-sync finds no tables, and can make none")
    .remedy(format!("GRANT USAGE, CREATE ON SCHEMA public TO \"{role}\", or fix its search_path"))
}

/// Missing privileges, each with its tables. Tables that do not exist are skipped.
async fn missing(
    database: &DatabaseConnection,
    deletes_entries: bool,
) -> Result<Vec<(&'static str, Vec<String>)>, DbErr> {
    let of_all = entities::tables();
    let is_audit_log = |name: &&String| name.as_str() == "audit_log";
    let changed: Vec<_> = of_all.iter().filter(|name| !is_audit_log(name)).cloned().collect();
    let deleted_from = entities::deleted_from();
    let deleted_from: Vec<_> =
        deleted_from.iter().filter(|name| deletes_entries || !is_audit_log(name)).cloned().collect();
    let mut missing = Vec::new();
    for (privilege, tables) in [
        ("SELECT", of_all.as_slice()),
        ("INSERT", of_all.as_slice()),
        ("UPDATE", changed.as_slice()),
        ("DELETE", deleted_from.as_slice()),
    ] {
        let names = tables.iter().map(|name| format!("('{name}')")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT name FROM (VALUES {names}) AS ours (name)
             WHERE NOT coalesce(has_table_privilege(to_regclass(name), '{privilege}'), true) ORDER BY name"
        );
        let found = rows(database, &sql).await?;
        let without: Vec<String> =
            found.iter().map(|row| row.try_get_by("name")).collect::<Result<_, _>>()?;
        if !without.is_empty() {
            missing.push((privilege, without));
        }
    }
    Ok(missing)
}
