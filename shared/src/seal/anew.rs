//! Seals everything anew under the current key, after a rotation: in small transactions, and from where it stood if it was
//! interrupted, since each value names its key. It must never replace a value that has changed meanwhile.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, Func, SimpleExpr};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, IntoSimpleExpr as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Value,
};

use super::{Place, Seal, Sealed};
use crate::database;
use crate::entities::{clinic, clinic_credential, dead_letter, parked_event, patient};

/// Rows of one transaction.
const ROWS: u64 = 200;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Values that were under another key and are under the current one now.
    pub sealed: u64,
    /// Values that are under another key after all: they could not be opened, or a process still seals with an old key.
    pub left: u64,
    /// Values that could not be opened, by the reason.
    pub unopened: BTreeMap<String, u64>,
}

/// Seals everything anew that is not under the current key. Workers may go on meanwhile.
///
/// # Errors
/// The database's own. What was committed stays, and the next run goes on from there.
pub async fn anew(database: &DatabaseConnection, seal: &Seal) -> Result<Report, DbErr> {
    let mut report = Report::default();
    every::<EventKeys>(database, seal, &mut report).await?;
    every::<SigningSecrets>(database, seal, &mut report).await?;
    every::<AadharNumbers>(database, seal, &mut report).await?;
    every::<ParkedEvents>(database, seal, &mut report).await?;
    every::<DeadLetters>(database, seal, &mut report).await?;
    report.left = left::<EventKeys>(database, seal).await?
        + left::<SigningSecrets>(database, seal).await?
        + left::<AadharNumbers>(database, seal).await?
        + left::<ParkedEvents>(database, seal).await?
        + left::<DeadLetters>(database, seal).await?;
    Ok(report)
}

async fn every<C: SealedColumn>(
    database: &DatabaseConnection,
    seal: &Seal,
    report: &mut Report,
) -> Result<(), DbErr> {
    let mut after = None;
    loop {
        let transaction = database::begin_write(database).await?;
        let select = under_other_keys::<C>(seal).order_by_asc(C::ID).limit(ROWS);
        let rows = match after {
            Some(id) => select.filter(C::ID.gt(id)).all(&transaction).await?,
            None => select.all(&transaction).await?,
        };
        let Some(last) = rows.last() else { return transaction.commit().await };
        after = Some(C::id(last));
        for row in &rows {
            one::<C>(&transaction, seal, row, report).await?;
        }
        transaction.commit().await?;
    }
}

async fn left<C: SealedColumn>(database: &DatabaseConnection, seal: &Seal) -> Result<u64, DbErr> {
    let counted = under_other_keys::<C>(seal).select_only().column_as(C::ID.count(), "left");
    let left: Option<i64> = counted.into_tuple().one(database).await?;
    Ok(left.and_then(|left| u64::try_from(left).ok()).unwrap_or_default())
}

fn under_other_keys<C: SealedColumn>(seal: &Seal) -> Select<C::Entity> {
    let prefix = Sealed::prefix(seal.current_key());
    let length = i32::try_from(prefix.len()).unwrap_or(i32::MAX);
    let begins = Func::cust("substr").args([
        C::VALUE.into_simple_expr(),
        Expr::val(1).into(),
        Expr::val(length).into(),
    ]);
    C::Entity::find().filter(C::applies()).filter(Expr::expr(begins).ne(C::stored(Sealed::stored(prefix))))
}

async fn one<C: SealedColumn>(
    transaction: &DatabaseTransaction,
    seal: &Seal,
    row: &<C::Entity as EntityTrait>::Model,
    report: &mut Report,
) -> Result<(), DbErr> {
    let Some(former) = C::sealed(row) else { return Ok(()) };
    let key = C::key(row);
    let value = match seal.open(C::place(&key), &former) {
        Ok(value) => value,
        Err(reason) => {
            *report.unopened.entry(reason.to_string()).or_default() += 1;
            return Ok(());
        }
    };
    let written = C::Entity::update_many()
        .col_expr(C::VALUE, Expr::value(C::stored(seal.seal(C::place(&key), &value))))
        .filter(C::ID.eq(C::id(row)))
        .filter(C::VALUE.eq(C::stored(former)))
        .exec(transaction)
        .await?;
    report.sealed += written.rows_affected;
    Ok(())
}

/// A column whose values are sealed.
trait SealedColumn {
    type Entity: EntityTrait<Column: ColumnTrait>;
    const ID: <Self::Entity as EntityTrait>::Column;
    const VALUE: <Self::Entity as EntityTrait>::Column;

    /// Which rows have a sealed value.
    fn applies() -> SimpleExpr {
        Self::VALUE.is_not_null()
    }
    fn id(row: &<Self::Entity as EntityTrait>::Model) -> Value;
    /// The row's part of the place.
    fn key(row: &<Self::Entity as EntityTrait>::Model) -> String;
    fn sealed(row: &<Self::Entity as EntityTrait>::Model) -> Option<Sealed>;
    fn place(key: &str) -> Place<'_>;
    /// As the column's type.
    fn stored(sealed: Sealed) -> Value {
        sealed.into_text().into()
    }
}

struct EventKeys;

impl SealedColumn for EventKeys {
    type Entity = clinic::Entity;
    const ID: clinic::Column = clinic::Column::ClinicId;
    const VALUE: clinic::Column = clinic::Column::EventKey;

    fn id(row: &clinic::Model) -> Value {
        row.clinic_id.clone().into()
    }
    fn key(row: &clinic::Model) -> String {
        row.clinic_id.clone()
    }
    fn sealed(row: &clinic::Model) -> Option<Sealed> {
        Some(Sealed::stored_bytes(&row.event_key))
    }
    fn place(key: &str) -> Place<'_> {
        Place::event_key(key)
    }
    fn stored(sealed: Sealed) -> Value {
        sealed.into_bytes().into()
    }
}

struct SigningSecrets;

impl SealedColumn for SigningSecrets {
    type Entity = clinic_credential::Entity;
    const ID: clinic_credential::Column = clinic_credential::Column::Id;
    const VALUE: clinic_credential::Column = clinic_credential::Column::Verifier;

    fn applies() -> SimpleExpr {
        clinic_credential::Column::Kind.eq(crate::clinics::CredentialKind::SigningSecret.as_str())
    }
    fn id(row: &clinic_credential::Model) -> Value {
        row.id.into()
    }
    fn key(row: &clinic_credential::Model) -> String {
        row.id.to_string()
    }
    fn sealed(row: &clinic_credential::Model) -> Option<Sealed> {
        Some(Sealed::stored(row.verifier.clone()))
    }
    fn place(key: &str) -> Place<'_> {
        Place::signing_secret(key)
    }
}

struct AadharNumbers;

impl SealedColumn for AadharNumbers {
    type Entity = patient::Entity;
    const ID: patient::Column = patient::Column::Id;
    const VALUE: patient::Column = patient::Column::AadharNumber;

    fn id(row: &patient::Model) -> Value {
        row.id.into()
    }
    fn key(row: &patient::Model) -> String {
        row.id.to_string()
    }
    fn sealed(row: &patient::Model) -> Option<Sealed> {
        row.aadhar_number.clone()
    }
    fn place(key: &str) -> Place<'_> {
        Place::aadhar_number(key)
    }
}

struct ParkedEvents;

impl SealedColumn for ParkedEvents {
    type Entity = parked_event::Entity;
    const ID: parked_event::Column = parked_event::Column::EventId;
    const VALUE: parked_event::Column = parked_event::Column::Event;

    fn id(row: &parked_event::Model) -> Value {
        row.event_id.clone().into()
    }
    fn key(row: &parked_event::Model) -> String {
        row.event_id.clone()
    }
    fn sealed(row: &parked_event::Model) -> Option<Sealed> {
        Some(row.event.clone())
    }
    fn place(key: &str) -> Place<'_> {
        Place::parked_event(key)
    }
}

struct DeadLetters;

impl SealedColumn for DeadLetters {
    type Entity = dead_letter::Entity;
    const ID: dead_letter::Column = dead_letter::Column::Id;
    const VALUE: dead_letter::Column = dead_letter::Column::Payload;

    fn id(row: &dead_letter::Model) -> Value {
        row.id.into()
    }
    fn key(row: &dead_letter::Model) -> String {
        row.id.to_string()
    }
    fn sealed(row: &dead_letter::Model) -> Option<Sealed> {
        Some(Sealed::stored_bytes(&row.payload))
    }
    fn place(key: &str) -> Place<'_> {
        Place::dead_letter(key)
    }
    fn stored(sealed: Sealed) -> Value {
        sealed.into_bytes().into()
    }
}
