//! Array parameters of PostgreSQL statements: the statement is the same for lists of any length and is prepared once. Not for SQLite,
//! which has no arrays.

use sea_orm::sea_query::{Expr, PostgresQueryBuilder, QueryStatementWriter, SimpleExpr};
use sea_orm::{DbBackend, Statement, Value};

/// The elements of the array at this parameter (from 1), a row each.
pub(crate) fn elements(place: usize) -> SimpleExpr {
    Expr::cust(format!("UNNEST(${place})"))
}

/// The statement with its arrays, in the order of the parameters. They bypass the builder, which copies every value several times.
pub(crate) fn statement(
    query: &impl QueryStatementWriter,
    lists: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, query.to_string(PostgresQueryBuilder), lists)
}
