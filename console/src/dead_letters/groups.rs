//! Dead letters grouped by cause: many failures usually have few causes.

use careq_shared::dead_letters::{Class, DeadLetterState};
use careq_shared::entities::dead_letter::{Column, Entity};
use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Func, Order};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::Filter;
use crate::error::Error;

/// Dead letters of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromQueryResult, ToSchema)]
pub struct Group {
    /// The name of the cause, and a filter for its letters.
    pub fingerprint: String,
    /// The reason, by the remedy.
    #[schema(value_type = Class)]
    pub class: String,
    /// The specification's code.
    pub code: String,
    /// The kind of the events, if the bytes say so.
    #[schema(value_type = Option<Kind>)]
    pub kind: Option<String>,
    /// The message of one of them.
    pub example: String,
    /// The number of letters.
    pub letters: i64,
    /// The number of clinics.
    pub clinics: i64,
    /// When the first of these events was accepted.
    pub first_seen_at: DateTime<Utc>,
    /// When the last of them failed.
    pub last_seen_at: DateTime<Utc>,
}

/// The largest groups of the matching dead letters, the largest first.
///
/// # Errors
/// The database failed.
pub async fn groups(
    database: &DatabaseConnection,
    filter: &Filter,
    states: &[DeadLetterState],
    limit: u64,
) -> Result<Vec<Group>, Error> {
    let cause = [Column::Fingerprint, Column::Class, Column::Code, Column::Kind];
    let clinics = Func::count_distinct(Expr::col(Column::ClinicId));
    let mut select = Entity::find()
        .select_only()
        .columns(cause)
        .column_as(Column::Message.min(), "example")
        .column_as(Column::Id.count(), "letters")
        .column_as(Expr::expr(clinics), "clinics")
        .column_as(Column::FirstSeenAt.min(), "first_seen_at")
        .column_as(Column::LastSeenAt.max(), "last_seen_at")
        .filter(filter.condition(states))
        .order_by(Expr::cust("letters"), Order::Desc)
        .order_by_asc(Column::Fingerprint)
        .limit(limit);
    for column in cause {
        select = select.group_by(column);
    }
    Ok(select.into_model::<Group>().all(database).await?)
}
