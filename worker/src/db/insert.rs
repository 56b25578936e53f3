//! Inserts or upserts many rows of one table in one statement. On PostgreSQL each column is one array parameter, so the statement is the same for
//! any number of rows and is prepared once. SQLite has no arrays: it gets a parameter for each value.

use sea_orm::sea_query::{
    Alias, ArrayType, CaseStatement, Expr, ExprTrait as _, OnConflict, Query, SimpleExpr,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, Insert, IntoActiveModel, Iterable as _, ModelTrait as _, Statement, Value,
};

use super::arrays;

/// Inserts the rows, or updates them as `on_conflict` says. Returns the number of inserted and updated rows.
pub(crate) async fn many<E>(
    transaction: &DatabaseTransaction,
    rows: &[&E::Model],
    on_conflict: OnConflict,
) -> Result<u64, DbErr>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Clone,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let backend = transaction.get_database_backend();
    if backend == DbBackend::Postgres {
        return Ok(transaction.execute(from_arrays::<E>(rows, on_conflict)?).await?.rows_affected());
    }
    let rows = rows.iter().map(|row| (*row).clone().into_active_model());
    match Insert::<E::ActiveModel>::many(rows)
        .on_conflict(on_conflict)
        .exec_without_returning(transaction)
        .await
    {
        // sea-orm reports a statement that changed no row as this error.
        Err(DbErr::RecordNotInserted) => Ok(0),
        written => written,
    }
}

/// `INSERT INTO t (…) SELECT a, CASE WHEN given & 1 <> 0 THEN b END, … FROM (SELECT UNNEST($1) AS a, …, UNNEST($n) AS given) AS input`.
///
/// sea-orm cannot bind an array with nulls, so nulls are sent as dummy values. `given` has, for each row, one bit for each nullable column:
/// set if the row has a value there.
fn from_arrays<E: EntityTrait>(rows: &[&E::Model], on_conflict: OnConflict) -> Result<Statement, DbErr> {
    let given = Alias::new("given");
    let (mut lists, mut rows_of_lists) = (Query::select(), Query::select());
    let (mut values, mut bits, mut bit) = (Vec::new(), vec![0_i64; rows.len()], 1_i64);
    for column in E::Column::iter() {
        let mut list: Vec<Value> = rows.iter().map(|row| row.get(column)).collect();
        if column.def().is_null() {
            mark_given(&mut list, &mut bits, bit);
            rows_of_lists.expr(
                CaseStatement::new().case(Expr::col(given.clone()).bit_and(bit).ne(0), Expr::col(column)),
            );
            bit = bit.checked_mul(2).ok_or_else(|| invalid("a table has too many columns"))?;
        } else {
            rows_of_lists.column(column);
        }
        let (elements, array) = parameter(values.len() + 1, list)?;
        lists.expr_as(elements, column);
        values.push(array);
    }
    lists.expr_as(arrays::elements(values.len() + 1), given);
    values.push(bits.into());
    rows_of_lists.from_subquery(lists, Alias::new("input"));

    let mut insert = Query::insert();
    insert.into_table(E::default()).columns(E::Column::iter()).on_conflict(on_conflict);
    insert.select_from(rows_of_lists).map_err(|fault| invalid(&fault.to_string()))?;
    Ok(arrays::statement(&insert, values))
}

/// Sets the bit of each row that has a value, and replaces nulls by dummy values.
fn mark_given(list: &mut [Value], bits: &mut [i64], bit: i64) {
    for (value, row_bits) in list.iter_mut().zip(bits) {
        if *value == value.as_null() {
            *value = value.dummy_value();
        } else {
            *row_bits |= bit;
        }
    }
}

/// `UNNEST($position)`, and the array to bind there. The list is not empty: its first value has the type of the elements.
fn parameter(position: usize, mut list: Vec<Value>) -> Result<(SimpleExpr, Value), DbErr> {
    let mut elements = arrays::elements(position);
    let element_type = match list.first() {
        Some(Value::Bool(_)) => ArrayType::Bool,
        Some(Value::Int(_)) => ArrayType::Int,
        Some(Value::BigInt(_)) => ArrayType::BigInt,
        Some(Value::String(_)) => ArrayType::String,
        Some(Value::ChronoDate(_)) => ArrayType::ChronoDate,
        Some(Value::ChronoDateTimeUtc(_)) => ArrayType::ChronoDateTimeUtc,
        Some(Value::Uuid(_)) => ArrayType::Uuid,
        Some(Value::Decimal(_)) => {
            // As text: sqlx would send 0.00 as `0`, without its decimals.
            list.iter_mut().for_each(to_text);
            elements = elements.cast_as(Alias::new("numeric"));
            ArrayType::String
        }
        _ => return Err(invalid("a column is of a type that is written in no table yet")),
    };
    Ok((elements, Value::Array(element_type, Some(Box::new(list)))))
}

fn to_text(value: &mut Value) {
    if let Value::Decimal(Some(amount)) = value {
        *value = amount.to_string().into();
    }
}

fn invalid(reason: &str) -> DbErr {
    DbErr::Custom(format!("rows cannot be written: {reason}"))
}
