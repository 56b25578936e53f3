//! Many rows of one table in one statement. On PostgreSQL they are one parameter, a JSON document, so that the statement is the same
//! for any number of rows, and is prepared once: a parameter for each value made PostgreSQL parse thousands of them anew for
//! each batch. SQLite gets a parameter for each value; its own JSON would write times in another way than it reads them.

use sea_orm::sea_query::{Alias, Expr, Func, OnConflict, PostgresQueryBuilder, Query};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait, Insert,
    IntoActiveModel, Iterable as _, Statement,
};
use serde::Serialize;

/// Inserts the rows; how many were written.
pub(crate) async fn many<E>(
    transaction: &DatabaseTransaction,
    rows: &[&E::Model],
    on_conflict: OnConflict,
) -> Result<u64, DbErr>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Clone + Serialize,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let backend = transaction.get_database_backend();
    if backend == DbBackend::Postgres {
        return Ok(transaction.execute(document::<E>(rows, on_conflict)?).await?.rows_affected());
    }
    let rows = rows.iter().map(|row| (*row).clone().into_active_model());
    match Insert::<E::ActiveModel>::many(rows)
        .on_conflict(on_conflict)
        .exec_without_returning(transaction)
        .await
    {
        // sea-orm's word for "every row was there already".
        Err(DbErr::RecordNotInserted) => Ok(0),
        written => written,
    }
}

/// `INSERT INTO t (…) SELECT … FROM json_populate_recordset(NULL::t, $1)`: the table itself says what type each value has
/// (PostgreSQL manual, "JSON Functions and Operators").
fn document<E>(rows: &[&E::Model], on_conflict: OnConflict) -> Result<Statement, DbErr>
where
    E: EntityTrait,
    E::Model: Serialize,
{
    let invalid = |reason: String| DbErr::Custom(format!("rows cannot be written: {reason}"));
    let json = serde_json::to_string(rows).map_err(|fault| invalid(fault.to_string()))?;
    let table = E::default();
    let form = Expr::cust(format!("NULL::\"{}\"", table.table_name()));
    let records =
        Func::cust(Alias::new("json_populate_recordset")).arg(form).arg(Expr::cust("CAST($1 AS json)"));
    let select =
        Query::select().columns(E::Column::iter()).from_function(records, Alias::new("written")).to_owned();
    let mut insert = Query::insert();
    insert.into_table(table).columns(E::Column::iter()).on_conflict(on_conflict);
    insert.select_from(select).map_err(|fault| invalid(fault.to_string()))?;
    // The document does not pass through the builder, which would copy it several times.
    let sql = insert.to_string(PostgresQueryBuilder);
    Ok(Statement::from_sql_and_values(DbBackend::Postgres, sql, [json.into()]))
}
