//! The number of open dead letters.

use careq_shared::database::read;
use careq_shared::dead_letters::open;
use sea_orm::{DatabaseConnection, DbErr};

use crate::finding::{Finding, or_query_failed};

pub(crate) async fn examine(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(look(database).await)
}

async fn look(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let letters: u64 = read(|| open(database)).await?.iter().map(|count| count.letters).sum();
    Ok(vec![if letters == 0 {
        Finding::well("dead_letters.none", "no dead letter is open")
    } else {
        Finding::warning("dead_letters.open", format!("{letters} dead letters are open"))
            .means("they are events that were acknowledged and could not be stored")
            .remedy("`careq-sync dead-letters list --group` shows them by cause; README, \"When something fails\"")
    }])
}
