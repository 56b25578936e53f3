//! The claim of an attempt: the attempt is counted and the row leased in one statement, before the event is tried.

use std::collections::HashSet;

use careq_shared::clock;
use careq_shared::entities::parked_event;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use crate::context::{Context, Stopped};
use crate::db::retries::retry_within_limits;
use crate::fault::{EventFault, FaultClass};
use crate::item::Treatment;
use crate::retry_policy;

/// Claims due rows for their next attempt, which is counted before it begins; returns the ids of those that no other worker has
/// claimed. All rows must have the same number of attempts.
pub(crate) async fn claim(
    database: &DatabaseConnection,
    rows: &[parked_event::Model],
) -> Result<HashSet<String>, DbErr> {
    let Some(attempts) = rows.first().map(|row| row.attempts) else { return Ok(HashSet::new()) };
    let lease_ends = clock::whole_microseconds(clock::now() + retry_policy::lease_after(attempts));
    let claimed = parked_event::Entity::update_many()
        .col_expr(parked_event::Column::Attempts, Expr::value(attempts + 1))
        .col_expr(parked_event::Column::DueAt, Expr::value(lease_ends))
        .filter(parked_event::Column::EventId.is_in(rows.iter().map(|row| row.event_id.as_str())))
        .filter(parked_event::Column::Attempts.eq(attempts))
        .filter(parked_event::Column::WaitingKind.is_null())
        .exec(database)
        .await?;
    if claimed.rows_affected == rows.len() as u64 {
        return Ok(rows.iter().map(|row| row.event_id.clone()).collect());
    }
    let ours: Vec<String> = parked_event::Entity::find()
        .select_only()
        .column(parked_event::Column::EventId)
        .filter(parked_event::Column::EventId.is_in(rows.iter().map(|row| row.event_id.as_str())))
        // The lease has a random part of microseconds: no other worker's lease ends at the same time.
        .filter(parked_event::Column::DueAt.eq(lease_ends))
        .into_tuple()
        .all(database)
        .await?;
    Ok(ours.into_iter().collect())
}

/// Takes back an attempt that was claimed and not made.
pub(crate) async fn give_back(context: &Context, row: &parked_event::Model) -> Result<(), Stopped> {
    let claimed = || {
        parked_event::Entity::update_many()
            .col_expr(parked_event::Column::Attempts, Expr::value(row.attempts))
            .filter(parked_event::Column::EventId.eq(row.event_id.as_str()))
            .filter(parked_event::Column::Attempts.eq(row.attempts + 1))
    };
    if let Err(fault) = retry_within_limits(context, || claimed().exec(&context.database)).await? {
        tracing::error!(fault.message, "an attempt that was not made is counted all the same");
    }
    Ok(())
}

/// How a row is processed: it is not tried again if every attempt ended without a result.
pub(crate) fn treatment(row: &parked_event::Model) -> Treatment {
    if !retry_policy::is_exhausted(row.attempts) {
        return Treatment::Ordinary;
    }
    let message = "Every attempt ended without a result; the event may bring workers down";
    Treatment::Failed(EventFault::new(FaultClass::NoResult, message))
}
