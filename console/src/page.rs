//! Pages of a list, each with the place that the next one begins behind. That place must stay where it is whatever is added: it is a
//! row's own, and never a count of rows. Most lists grow at their beginning, the newest first, and go by a [`Cursor`].

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

use crate::calendar;

/// Where a page ends. As text, for a link to the next one.
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
        parts.filter(|cursor| calendar::holds(cursor.at)).ok_or("it must be the `next` of an earlier page")
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<C = Cursor> {
    /// What follows this; nothing: from the beginning.
    pub after: Option<C>,
    /// At most so many.
    pub limit: u64,
}

impl Page {
    /// What stands behind the cursor, in a list by these two columns, the greatest first.
    pub(crate) fn condition<C: ColumnTrait>(self, at: C, id: C) -> Condition {
        let follows = self
            .after
            .map(|after| Condition::any().add(at.lt(after.at)).add(at.eq(after.at).and(id.lt(after.id))));
        follows.unwrap_or_else(Condition::all)
    }
}

impl<C> Page<C> {
    /// The first ones, at most so many.
    #[must_use]
    pub const fn first(limit: u64) -> Self {
        Self { after: None, limit }
    }

    /// How many rows to read: one more says whether there is another page.
    pub(crate) const fn rows(&self) -> u64 {
        self.limit.saturating_add(1)
    }

    /// The page of these rows.
    pub(crate) fn listed<T>(&self, mut items: Vec<T>, place: impl Fn(&T) -> C) -> Listed<T, C> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(place);
        Listed { items, next }
    }
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T, C = Cursor> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// What the next page begins behind, if there is one.
    pub next: Option<C>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_its_text() {
        let at = DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap();
        let cursor = Cursor { at, id: Uuid::from_u128(7) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let far = format!("{:x}.{}", i64::MAX / 20, Uuid::nil().simple());
        for text in ["", "12", "12.x", "x.00000000000000000000000000000007", &far] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
