//! The range of years in which PostgreSQL, SQLite and RFC 3339 texts agree. Every timestamp from a request is checked against it before
//! it becomes a parameter of a statement.

use chrono::{DateTime, Datelike as _, Utc};

/// Whether both databases can compare the timestamp.
pub(crate) fn is_comparable(at: DateTime<Utc>) -> bool {
    (1..=9998).contains(&at.year())
}
