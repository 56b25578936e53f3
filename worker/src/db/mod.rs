//! Work on the database that every part of a worker shares: retries, health, bounds by bytes, statements over many rows.

pub(crate) mod arrays;
pub(crate) mod bounds;
pub(crate) mod health;
pub(crate) mod insert;
pub(crate) mod lookup;
pub(crate) mod record_table;
pub(crate) mod references;
pub(crate) mod retries;
pub(crate) mod scan_cursor;
