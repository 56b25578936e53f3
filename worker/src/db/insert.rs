//! Inserts or upserts many rows of several tables together. On PostgreSQL each column is one array parameter, so the statement is the
//! same for any number of rows and is prepared once, and the tables share a statement to save round trips. SQLite has no arrays: it
//! gets a statement for each table, with a parameter for each value.

use std::mem;

use careq_shared::database::{self, Planning};
use sea_orm::sea_query::{
    Alias, ArrayType, CaseStatement, Expr, ExprTrait as _, InsertStatement, OnConflict, PostgresQueryBuilder,
    Query, SimpleExpr,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, Insert, IntoActiveModel, Iterable as _, ModelTrait as _, QueryTrait as _, Statement, Value,
};

use super::arrays;
use super::bounds::{self, InBytes, MAX_STATEMENT};
use crate::fault::Fault;

/// Rows to be written together. Each combination of tables is a prepared statement of its own, so only few tables may share one.
pub(crate) struct Inserts<'transaction> {
    transaction: &'transaction DatabaseTransaction,
    parts: Vec<Part>,
    /// Parameters of the parts on PostgreSQL.
    parameters: Vec<Value>,
    bytes: usize,
    plans_are_cached: bool,
}

/// Rows of one table that exist, or that do not.
struct Part {
    name: String,
    insert: InsertStatement,
    /// Number of rows that do not exist yet.
    new_rows: u64,
}

impl<'transaction> Inserts<'transaction> {
    pub(crate) fn new(transaction: &'transaction DatabaseTransaction) -> Self {
        Self { transaction, parts: Vec::new(), parameters: Vec::new(), bytes: 0, plans_are_cached: false }
    }

    /// Adds rows of one table: rows that exist, and how they are updated, or new ones. A table's new rows are inserted after its
    /// changed rows are updated, so that a unique value that one of these gives up is free.
    pub(crate) async fn add<E>(
        &mut self,
        rows: &[&E::Model],
        update: Option<&OnConflict>,
    ) -> Result<(), Fault>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel> + InBytes + Clone,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        for rows in bounds::parts(rows, rows.len(), MAX_STATEMENT) {
            let bytes: usize = rows.iter().map(InBytes::bytes).sum();
            if self.bytes + bytes > MAX_STATEMENT {
                self.send().await?;
            }
            self.bytes += bytes;
            let part = self.part::<E>(rows, update)?;
            self.parts.push(part);
        }
        Ok(())
    }

    fn part<E>(&mut self, rows: &[&E::Model], update: Option<&OnConflict>) -> Result<Part, DbErr>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel> + Clone,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        let table = E::default().table_name().to_owned();
        let changed = format!("changed_{table}");
        let is_after_changed = update.is_none() && self.parts.iter().any(|part| part.name == changed);
        let mut insert = match self.transaction.get_database_backend() {
            DbBackend::Postgres => {
                from_arrays::<E>(rows, &mut self.parameters, is_after_changed.then_some(changed.as_str()))?
            }
            DbBackend::Sqlite | DbBackend::MySql => from_values::<E>(rows),
        };
        if let Some(update) = update {
            insert.on_conflict(update.clone());
            return Ok(Part { name: changed, insert, new_rows: 0 });
        }
        Ok(Part { name: format!("new_{table}"), insert, new_rows: rows.len() as u64 })
    }

    /// Writes the added rows.
    ///
    /// # Errors
    /// [`Fault::Contention`] if a new row exists already, or was not inserted.
    pub(crate) async fn send(&mut self) -> Result<(), Fault> {
        let (parts, parameters) = (mem::take(&mut self.parts), mem::take(&mut self.parameters));
        self.bytes = 0;
        if parts.is_empty() {
            return Ok(());
        }
        if !mem::replace(&mut self.plans_are_cached, true) {
            // Only foreign keys are looked up. Cached plans: checking three of them costs 13 µs a row, otherwise 35 µs.
            database::set_plan_caching(self.transaction, Planning::Cached).await?;
        }
        let new_rows: u64 = parts.iter().map(|part| part.new_rows).sum();
        let inserted = match self.transaction.get_database_backend() {
            DbBackend::Postgres => together(self.transaction, &parts, parameters).await,
            DbBackend::Sqlite | DbBackend::MySql => one_by_one(self.transaction, &parts).await,
        };
        if inserted.map_err(Fault::of_insert)? < new_rows { Err(Fault::Contention) } else { Ok(()) }
    }
}

/// `WITH changed_t AS (INSERT …), new_t AS (INSERT …), … SELECT (SELECT COUNT(*) FROM new_t) + …`. Foreign keys are checked at its end.
/// Returns the number of inserted rows.
async fn together(
    transaction: &DatabaseTransaction,
    parts: &[Part],
    parameters: Vec<Value>,
) -> Result<u64, DbErr> {
    let (mut inserts, mut counts) = (Vec::with_capacity(parts.len()), vec!["CAST(0 AS bigint)".to_owned()]);
    for Part { name, insert, new_rows } in parts {
        inserts.push(format!(r#""{name}" AS ({})"#, insert.to_string(PostgresQueryBuilder)));
        if *new_rows > 0 {
            counts.push(count(name));
        }
    }
    let sql = format!("WITH {} SELECT {}", inserts.join(", "), counts.join(" + "));
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, parameters);
    let row = transaction.query_one(statement).await?.ok_or_else(|| invalid("their number is unknown"))?;
    Ok(u64::try_from(row.try_get_by_index::<i64>(0)?).unwrap_or(0))
}

/// The number of rows that a part has written.
fn count(part: &str) -> String {
    format!(r#"(SELECT COUNT(*) FROM "{part}")"#)
}

/// Returns the number of inserted rows.
async fn one_by_one(transaction: &DatabaseTransaction, parts: &[Part]) -> Result<u64, DbErr> {
    let mut inserted = 0;
    for part in parts {
        let written = transaction.execute(DbBackend::Sqlite.build(&part.insert)).await?.rows_affected();
        inserted += if part.new_rows > 0 { written } else { 0 };
    }
    Ok(inserted)
}

fn from_values<E>(rows: &[&E::Model]) -> InsertStatement
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Clone,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    Insert::<E::ActiveModel>::many(rows.iter().map(|row| (*row).clone().into_active_model())).into_query()
}

/// `INSERT INTO t (…) SELECT a, CASE WHEN given & 1 <> 0 THEN b END, … FROM (SELECT UNNEST($1) AS a, …, UNNEST($n) AS given) AS input`.
///
/// sea-orm cannot bind an array with nulls, so nulls are sent as dummy values. `given` has, for each row, one bit for each nullable column:
/// set if the row has a value there.
///
/// The parts of a statement run in no defined order. With `after`, the rows are selected when that part has returned all of its rows.
fn from_arrays<E: EntityTrait>(
    rows: &[&E::Model],
    parameters: &mut Vec<Value>,
    after: Option<&str>,
) -> Result<InsertStatement, DbErr> {
    let given = Alias::new("given");
    let (mut lists, mut rows_of_lists) = (Query::select(), Query::select());
    let (mut bits, mut bit) = (vec![0_i64; rows.len()], 1_i64);
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
        let (elements, array) = parameter(parameters.len() + 1, list)?;
        lists.expr_as(elements, column);
        parameters.push(array);
    }
    lists.expr_as(arrays::elements(parameters.len() + 1), given);
    parameters.push(bits.into());
    rows_of_lists.from_subquery(lists, Alias::new("input"));
    if let Some(after) = after {
        rows_of_lists.and_where(Expr::cust(format!("{} >= 0", count(after))));
    }

    let mut insert = Query::insert();
    insert.into_table(E::default()).columns(E::Column::iter());
    insert.select_from(rows_of_lists).map_err(|fault| invalid(&fault.to_string()))?;
    insert.returning(Query::returning().expr(Expr::cust("1")));
    Ok(insert)
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
