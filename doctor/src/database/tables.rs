//! The tables: whether they are those of this version, and whether the file of the embedded database is intact.

use careq_migrations::Standing;
use sea_orm::{DatabaseConnection, DbErr};

use super::row;
use crate::report::{Finding, Reached, query_failed};

/// Later examinations require tables that are up to date.
pub(crate) async fn examine(database: &DatabaseConnection) -> Reached<()> {
    let finding = match careq_migrations::standing(database).await {
        Err(fault) => query_failed(&fault),
        Ok(Standing { unknown, .. }) if !unknown.is_empty() => {
            Finding::error("tables.newer", format!("a newer version has changed the tables: {}", unknown.join(", ")))
                .means("processes of this version do not start")
                .remedy("upgrade this program, or restore the backup from before the upgrade")
        }
        Ok(Standing { applied, .. }) if applied.is_empty() => {
            Finding::well("tables.not_made_yet", "the first start creates the tables")
        }
        Ok(Standing { pending, .. }) if !pending.is_empty() => {
            Finding::error("tables.behind", format!("the tables lack the migrations {}", pending.join(", ")))
                .means("no process of this version has started on this database; the content of the tables was not examined")
                .remedy("careq-sync migrate")
        }
        Ok(_) => return (vec![Finding::well("tables.well", "the tables are those of this version")], Some(())),
    };
    (vec![finding], None)
}

/// Checks the structure of the embedded database's file (`SQLite` manual, "PRAGMA `quick_check`").
pub(crate) async fn examine_file(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let found: String = row(database, "PRAGMA quick_check(1)").await?.try_get_by_index(0)?;
    Ok(vec![if found == "ok" {
        Finding::well("database_file.well", "the structure of the database file is intact")
    } else {
        Finding::error("database_file.damaged", "the database file is damaged (PRAGMA quick_check)")
            .means("rows may be lost, and statements may fail")
            .remedy(
                "stop careq-sync, copy the folder, and restore the last backup; `sqlite3 FILE .recover` reads what is left",
            )
    }])
}
