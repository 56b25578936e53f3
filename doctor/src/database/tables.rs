//! The migrations: whether the tables are those of this version.

use careq_migrations::Standing;
use sea_orm::DatabaseConnection;

use crate::finding::{Finding, or_query_failed};
use crate::report::Reached;

/// Proof that the tables are up to date, which later examinations require.
pub(crate) struct Current;

pub(crate) async fn examine(database: &DatabaseConnection) -> Reached<Current> {
    let Standing { applied, pending, unknown } = match careq_migrations::standing(database).await {
        Ok(standing) => standing,
        Err(fault) => return (or_query_failed(Err(fault)), None),
    };
    let finding = if let Some(newest) = unknown.last() {
        Finding::error("tables.newer", format!("a newer version has changed the tables ({newest})"))
            .means("processes of this version do not start on them")
            .remedy("upgrade this program; going back needs the backup from before the upgrade")
    } else if applied.is_empty() {
        Finding::well("tables.not_made_yet", "the first start makes the tables")
    } else if let Some(next) = pending.first() {
        let seen = format!(
            "the tables lack {} of {} migrations, {next} first",
            pending.len(),
            pending.len() + applied.len()
        );
        Finding::error("tables.behind", seen)
            .means("no process of this version has been started on this database; what is in the tables could not be \
                    examined")
            .remedy("careq-sync migrate")
    } else {
        return (vec![Finding::well("tables.well", "the tables are those of this version")], Some(Current));
    };
    (vec![finding], None)
}
