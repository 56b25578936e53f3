//! How many letters are open, by class and age: what an alarm watches, and what a person looks at first. A class without open letters
//! must still be named, or its alarm would never end.

use chrono::TimeDelta;
use sea_orm::sea_query::{CaseStatement, Expr, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use super::state::{Class, DeadLetterState};
use crate::entities::dead_letter::{Column, Entity};
use crate::{clock, words};

words! {
    /// How long ago a letter last failed.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Why they are dead.
    pub class: Class,
    /// How long ago they last failed.
    pub age: Age,
    /// How many there are.
    pub letters: u64,
}

/// The open letters of every class and age. Those that are under way again are not counted.
///
/// # Errors
/// The database's own.
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
    let ages = |class: Class| Age::ALL.iter().map(move |age| (class, *age));
    let all = Class::ALL.iter().copied().flat_map(ages);
    all.map(|(class, age)| Ok(Open { class, age, letters: letters(class, age)? })).collect()
}
