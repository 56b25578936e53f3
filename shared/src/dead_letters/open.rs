//! The number of open letters, by class and age, for metrics, alarms and the first page of the console. A class
//! without open letters is listed with 0, so that its alarm ends.

use chrono::TimeDelta;
use sea_orm::sea_query::{CaseStatement, Expr, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::state::{Class, DeadLetterState};
use crate::entities::dead_letter::{Column, Entity};
use crate::{clock, words};

words! {
    /// The time since a letter last failed.
    Age {
        /// Less than an hour.
        Hour = "hour",
        /// Less than a day.
        Day = "day",
        /// Less than a week.
        Week = "week",
        /// Longer.
        Older = "older",
    }
}

/// Open letters of one class and age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Open {
    /// Their class.
    pub class: Class,
    /// The time since they last failed.
    pub age: Age,
    /// Their number.
    pub letters: u64,
}

/// Counts the open letters of every class and age. Letters that are being replayed are not counted.
///
/// # Errors
/// The database's own error.
pub async fn open(database: &DatabaseConnection) -> Result<Vec<Open>, DbErr> {
    let since = |age: TimeDelta| Column::LastSeenAt.gt(clock::now() - age);
    let age = CaseStatement::new()
        .case(since(TimeDelta::hours(1)), Age::Hour)
        .case(since(TimeDelta::days(1)), Age::Day)
        .case(since(TimeDelta::weeks(1)), Age::Week)
        .finally(Age::Older);
    let counted: Vec<(String, Age, i64)> = Entity::find()
        .select_only()
        .column(Column::Class)
        .column_as(Into::<SimpleExpr>::into(age), "age")
        .column_as(Column::Id.count(), "letters")
        .filter(Column::State.eq(DeadLetterState::Open))
        .group_by(Column::Class)
        .group_by(Expr::cust("2"))
        .into_tuple()
        .all(database)
        .await?;
    let letters = |class: Class, age: Age| {
        let found = counted.iter().find(|(word, counted, _)| word == class.as_str() && *counted == age);
        let letters = found.map_or(0, |(_, _, letters)| *letters);
        u64::try_from(letters).map_err(|_| DbErr::Type(format!("{letters} letters are open")))
    };
    let ages = |class: Class| Age::ALL.into_iter().map(move |age| (class, age));
    let all = Class::ALL.into_iter().flat_map(ages);
    all.map(|(class, age)| Ok(Open { class, age, letters: letters(class, age)? })).collect()
}
