//! Keyset pagination. A page ends at the key of its last row, so that rows inserted meanwhile shift nothing. Most lists are sorted
//! newest first, and their key is a [`Cursor`].

use std::fmt::{self, Display};
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Utc};
use sea_orm::{ColumnTrait, Condition};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_with::DeserializeFromStr;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::limits::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT};

/// The key of a row in a list sorted by time and id. Its text form is the `after` of the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DeserializeFromStr)]
pub struct Cursor {
    at: DateTime<Utc>,
    id: Uuid,
}

impl Cursor {
    pub(crate) const fn new(at: DateTime<Utc>, id: Uuid) -> Self {
        Self { at, id }
    }
}

impl Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}.{}", self.at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let cursor = text.split_once('.').and_then(|(at, id)| {
            let at = DateTime::from_timestamp_micros(i64::from_str_radix(at, 16).ok()?)?;
            Some(Self { at, id: Uuid::parse_str(id).ok()? })
        });
        // In other years, PostgreSQL and SQLite compare timestamps differently.
        let cursor = cursor.filter(|cursor| (1..=9998).contains(&cursor.at.year()));
        cursor.ok_or("it must be the `next` of an earlier page")
    }
}

/// The requested part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageRequest {
    /// The `next` of the page before; for the first page, nothing.
    #[param(value_type = Option<String>)]
    pub after: Option<Cursor>,
    /// The most items of the page.
    #[serde(default = "default_limit", deserialize_with = "limit")]
    #[param(minimum = 1, maximum = 500, default = default_limit)]
    pub limit: u64,
}

impl PageRequest {
    /// The first page, of at most `limit` items.
    #[must_use]
    pub const fn first(limit: u64) -> Self {
        Self { after: None, limit }
    }

    /// The condition for the rows after the cursor, in descending order of these two columns.
    pub(crate) fn condition<C: ColumnTrait>(self, at: C, id: C) -> Condition {
        let follows = self
            .after
            .map(|after| Condition::any().add(at.lt(after.at)).add(at.eq(after.at).and(id.lt(after.id))));
        follows.unwrap_or_else(Condition::all)
    }
}

/// The `limit` of a list without pages.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Limit {
    /// The most items.
    #[serde(default = "default_limit", deserialize_with = "limit")]
    #[param(minimum = 1, maximum = 500, default = default_limit)]
    pub(crate) limit: u64,
}

const fn default_limit() -> u64 {
    DEFAULT_PAGE_LIMIT
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let limit = u64::deserialize(deserializer)?;
    let is_valid = (1..=MAX_PAGE_LIMIT).contains(&limit);
    is_valid
        .then_some(limit)
        .ok_or_else(|| D::Error::custom(format!("it must be from 1 to {MAX_PAGE_LIMIT}")))
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// The `after` of the next page; null on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The page of the rows that were read, one more than `limit` if there is another page. `key` is the `after` of a row.
    pub(crate) fn from_rows<K: Display>(mut items: Vec<T>, limit: u64, key: impl Fn(&T) -> K) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|last| key(last).to_string());
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_round_trip_through_text() {
        let at = DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap();
        let cursor = Cursor { at, id: Uuid::from_u128(7) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let far = format!("{:x}.{}", i64::MAX / 20, Uuid::nil().simple());
        for text in ["", "12", "12.x", "x.00000000000000000000000000000007", &far] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
