//! Contents of the tables, with every column as text, and the choices of the ledger and the batches that depend on
//! the order.

use std::collections::BTreeMap;

use careq_shared::entities::{
    appointment, batch, dead_letter, doctor, event, parked_event, patient, service,
};
use careq_shared::records::RecordKind;
use careq_shared::seal::{AssociatedData, Sealed};
use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, EntityTrait, IdenStatic as _, Iterable as _, ModelTrait as _,
    Statement, Value as Stored,
};

use crate::harness::seal;

/// Clinic, kind and `careq_id`.
pub(super) type Key = (String, RecordKind, i64);

/// The columns of a row, except for times of writing and columns of the worker.
pub(super) type Row = BTreeMap<String, String>;

const NOT_COMPARED: [&str; 5] = ["id", "clinic_id", "careq_id", "synced_at", "status_versions"];

/// All stored rows.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) rows: BTreeMap<Key, Row>,
    /// By clinic and key.
    pub(super) ledger: BTreeMap<(String, String), event::Model>,
    /// By clinic and batch id.
    pub(super) batches: BTreeMap<(String, String), batch::Model>,
    /// By event id.
    pub(super) letters: BTreeMap<String, dead_letter::Model>,
    pub(super) parked: BTreeMap<String, parked_event::Model>,
}

impl Tables {
    pub(super) async fn read(database: &DatabaseConnection) -> Self {
        let mut rows = BTreeMap::new();
        rows.extend(records::<patient::Entity>(database, RecordKind::Patient).await);
        rows.extend(records::<doctor::Entity>(database, RecordKind::Doctor).await);
        rows.extend(records::<service::Entity>(database, RecordKind::Service).await);
        rows.extend(records::<appointment::Entity>(database, RecordKind::Appointment).await);
        // sea-orm reads a price of 0.00 as 0, so the price is read as text.
        for (key, price) in prices(database).await {
            rows.get_mut(&key).unwrap().insert("price".to_owned(), price);
        }
        let ledger = event::Entity::find().all(database).await.unwrap();
        let batches = batch::Entity::find().all(database).await.unwrap();
        let letters = dead_letter::Entity::find().all(database).await.unwrap();
        let parked = parked_event::Entity::find().all(database).await.unwrap();
        Self {
            rows,
            ledger: ledger
                .into_iter()
                .map(|row| ((row.clinic_id.clone(), row.idempotency_key.clone()), row))
                .collect(),
            batches: batches
                .into_iter()
                .map(|row| ((row.clinic_id.clone(), row.batch_id.clone()), row))
                .collect(),
            letters: letters.into_iter().map(|row| (row.event_id.clone().unwrap(), row)).collect(),
            parked: parked.into_iter().map(|row| (row.event_id.clone(), row)).collect(),
        }
    }
}

async fn records<E: EntityTrait>(database: &DatabaseConnection, kind: RecordKind) -> Vec<(Key, Row)> {
    let record = |row: E::Model| {
        let words: Row =
            E::Column::iter().map(|column| (column.as_str().to_owned(), word(&row.get(column)))).collect();
        let key = (words["clinic_id"].clone(), kind, words["careq_id"].parse().unwrap());
        let id = careq_shared::ids::record_id(&key.0, kind, key.2).to_string();
        assert_eq!(words["id"], id);
        let opened = words.into_iter().map(|(column, word)| {
            let word = if column == "aadhar_number" { opened(&id, word) } else { word };
            (column, word)
        });
        (key, opened.filter(|(column, _)| !NOT_COMPARED.contains(&column.as_str())).collect())
    };
    E::find().all(database).await.unwrap().into_iter().map(record).collect()
}

fn opened(id: &str, word: String) -> String {
    if word == NULL {
        return word;
    }
    let sealed = Sealed::stored_bytes(word.as_bytes());
    String::from_utf8(seal().open(AssociatedData::aadhar_number(id), &sealed).unwrap()).unwrap()
}

async fn prices(database: &DatabaseConnection) -> Vec<(Key, String)> {
    let select = "SELECT clinic_id, careq_id, CAST(price AS text) AS price FROM services";
    let select = Statement::from_string(database.get_database_backend(), select);
    let rows = database.query_all(select).await.unwrap();
    let price = |row: &sea_orm::QueryResult| {
        let key = (
            row.try_get("", "clinic_id").unwrap(),
            RecordKind::Service,
            row.try_get("", "careq_id").unwrap(),
        );
        (key, row.try_get::<Option<String>>("", "price").unwrap().unwrap_or_else(|| NULL.to_owned()))
    };
    rows.iter().map(price).collect()
}

pub(super) const NULL: &str = "null";

pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn word(value: &Stored) -> String {
    match value {
        // Independent of the column's type.
        null if *null == null.as_null() => NULL.to_owned(),
        Stored::String(Some(text)) => text.to_string(),
        Stored::BigInt(Some(number)) => number.to_string(),
        Stored::Int(Some(number)) => number.to_string(),
        Stored::Bool(Some(is)) => is.to_string(),
        Stored::Uuid(Some(id)) => id.to_string(),
        Stored::ChronoDate(Some(date)) => date.to_string(),
        Stored::ChronoDateTimeUtc(Some(at)) => instant(**at),
        other => format!("{other:?}"),
    }
}
