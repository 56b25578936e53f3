//! Access to the installation's tables.

use careq_shared::seal::Seal;
use sea_orm::DatabaseConnection;

/// Database of the installation with the keys of its sealed values.
#[derive(Debug)]
pub struct Store {
    /// The installation's database.
    pub database: DatabaseConnection,
    /// The keys of its sealed values.
    pub seal: Seal,
}
