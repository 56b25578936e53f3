//! What the role may do: everything that careq-sync does with its tables, and bringing them up to date, which each process
//! does at its start.

use careq_shared::entities;
use sea_orm::{DatabaseConnection, DbErr};

use super::{row, rows};
use crate::finding::{Finding, or_refused};

const WHO: &str = "SELECT current_user::text AS role, current_schema()::text AS schema,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create";

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_refused(look(database).await)
}

async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let who = row(database, WHO).await?;
    let role: String = who.try_get_by("role")?;
    let schema: Option<String> = who.try_get_by("schema")?;
    let Some(schema) = schema else { return Ok(vec![no_schema(&role)]) };
    let mut findings = Vec::new();
    if !who.try_get_by::<bool, _>("may_create")? {
        findings.push(
            Finding::error(
                "permissions.create",
                format!("the role {role} may not create tables in the schema {schema}"),
            )
            .means("no process starts: each brings the tables up to date first")
            .remedy(format!("GRANT CREATE ON SCHEMA \"{schema}\" TO \"{role}\"")),
        );
    }
    for (privilege, tables) in missing(database).await? {
        let tables = tables.join(", ");
        findings.push(
            Finding::error("permissions.tables", format!("the role {role} has no {privilege} on {tables}"))
                .means("what needs it is tried again and again: events are not stored, or what is over is not forgotten")
                .remedy(format!("GRANT {privilege} ON {tables} TO \"{role}\"")),
        );
    }
    if findings.is_empty() {
        let seen = format!("the role {role} may do all that careq-sync does in the schema {schema}");
        findings.push(Finding::well("permissions.well", seen));
    }
    Ok(findings)
}

fn no_schema(role: &str) -> Finding {
    Finding::error(
        "permissions.schema",
        format!("the role {role} has no schema: none of its search_path is there, or open to it"),
    )
    .means("careq-sync finds no tables, and can make none")
    .remedy(format!("GRANT USAGE, CREATE ON SCHEMA public TO \"{role}\", or mend its search_path"))
}

/// Privileges that are missing, each with the tables that it is missing on. A table that is not there has none to miss.
async fn missing(database: &DatabaseConnection) -> Result<Vec<(&'static str, Vec<String>)>, DbErr> {
    let of_all = entities::tables();
    let deleted_from = entities::deleted_from();
    let mut missing = Vec::new();
    for (privilege, tables) in [
        ("SELECT", of_all.as_slice()),
        ("INSERT", of_all.as_slice()),
        ("UPDATE", of_all.as_slice()),
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
