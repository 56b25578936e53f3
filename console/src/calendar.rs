//! The years in which PostgreSQL, SQLite and the texts of moments agree. A moment from outside must never reach a statement without it.

use chrono::{DateTime, Datelike as _, Utc};

/// Whether both databases can compare it.
pub(crate) fn holds(moment: DateTime<Utc>) -> bool {
    (1..=9998).contains(&moment.year())
}
