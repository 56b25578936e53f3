//! The file of the embedded database.

use sea_orm::{DatabaseConnection, DbErr};

use super::row;
use crate::finding::{Finding, or_query_failed};

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(look(database).await)
}

/// Checks the structure of the file (`SQLite` manual, "PRAGMA `quick_check`").
async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let found: String = row(database, "PRAGMA quick_check(1)").await?.try_get_by_index(0)?;
    Ok(vec![if found == "ok" {
        Finding::well("database_file.well", "the pages of its file fit together")
    } else {
        Finding::error(
            "database_file.damaged",
            "the pages of its file do not fit together (PRAGMA quick_check)",
        )
        .means("rows may be lost, and statements may fail")
        .remedy(
            "stop careq-sync, keep a copy of the folder as it is, and restore the last backup; `sqlite3 FILE \
             .recover` saves what it can",
        )
    }])
}
