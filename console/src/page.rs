//! Keyset pagination. A page ends at the key of its last row, so that rows inserted meanwhile shift nothing. Most lists are sorted
//! newest first, and their key is a [`Cursor`].

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

use crate::calendar;

/// The key of a row in a list sorted by time and id. Its text form is the `after` of the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    at: DateTime<Utc>,
    id: Uuid,
}

impl Cursor {
    pub(crate) const fn new(at: DateTime<Utc>, id: Uuid) -> Self {
        Self { at, id }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}.{}", self.at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('.').and_then(|(at, id)| {
            let at = DateTime::from_timestamp_micros(i64::from_str_radix(at, 16).ok()?)?;
            Some(Self { at, id: Uuid::parse_str(id).ok()? })
        });
        parts
            .filter(|cursor| calendar::is_comparable(cursor.at))
            .ok_or("it must be the `next` of an earlier page")
    }
}

/// The requested part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<C = Cursor> {
    /// The key of the last row of the page before; `None` for the first page.
    pub after: Option<C>,
    /// The most items of the page.
    pub limit: u64,
}

impl PageRequest {
    /// The condition for the rows after the cursor, in descending order of these two columns.
    pub(crate) fn condition<C: ColumnTrait>(self, at: C, id: C) -> Condition {
        let follows = self
            .after
            .map(|after| Condition::any().add(at.lt(after.at)).add(at.eq(after.at).and(id.lt(after.id))));
        follows.unwrap_or_else(Condition::all)
    }
}

impl<C> PageRequest<C> {
    /// The first page, of at most `limit` items.
    #[must_use]
    pub const fn first(limit: u64) -> Self {
        Self { after: None, limit }
    }

    /// The number of rows to read: one more than the limit shows whether there is another page.
    pub(crate) const fn rows(&self) -> u64 {
        self.limit.saturating_add(1)
    }

    /// The page of the rows that were read, and the key of its last one.
    pub(crate) fn page_of<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> C) -> Page<T, C> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(key);
        Page { items, next }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C = Cursor> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// The `after` of the next page, if there is one.
    pub next: Option<C>,
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
