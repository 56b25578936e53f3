//! Lists as parameters of a PostgreSQL statement, one array each: the statement is the same for lists of any length, so that it is
//! prepared once. SQLite has no arrays, and nothing here is for it.

use sea_orm::sea_query::{Expr, PostgresQueryBuilder, QueryStatementWriter, SimpleExpr};
use sea_orm::{DbBackend, Statement, Value};

/// The elements of the list at this place, from 1, a row each.
pub(crate) fn elements(place: usize) -> SimpleExpr {
    Expr::cust(format!("UNNEST(${place})"))
}

/// The statement with its lists, in the order of their places. They do not pass through the builder, which copies every value several
/// times.
pub(crate) fn statement(
    query: &impl QueryStatementWriter,
    lists: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, query.to_string(PostgresQueryBuilder), lists)
}
