//! The options of a session, which a connection pooler may discard.

use careq_shared::database::SESSION;
use sea_orm::{DatabaseConnection, DbErr};

use super::row;
use crate::finding::{Finding, or_query_failed};

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(look(database).await)
}

async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let mut missing = Vec::new();
    for (setting, wanted) in SESSION {
        let sql = format!("SELECT current_setting('{setting}') AS value, current_user::text AS role");
        let found = row(database, &sql).await?;
        let (value, role): (String, String) = (found.try_get_by("value")?, found.try_get_by("role")?);
        if value != wanted {
            missing.push((
                format!("{setting} is {value}"),
                format!("ALTER ROLE \"{role}\" SET {setting} = '{wanted}';"),
            ));
        }
    }
    if missing.is_empty() {
        return Ok(vec![Finding::well(
            "session.well",
            "a session has the settings that careq-sync asks for",
        )]);
    }
    let (seen, remedy): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    Ok(vec![
        Finding::error("session.options_ignored", seen.join(", "))
            .means(
                "a connection pooler discards the options of the session: a disconnected worker keeps its rows locked, and \
                 lookups may become slow",
            )
            .remedy(remedy.join(" ")),
    ])
}
