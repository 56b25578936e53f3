//! Stored rows do not depend on the database: the same records give the same rows on both, whatever optional
//! fields are missing.

use std::collections::{BTreeMap, BTreeSet};

use careq_shared::broker::{Delivery, Queue};
use careq_shared::entities::{appointment, doctor, event, parked_event, patient, service};
use careq_shared::records::Kind;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, EntityTrait, IdenStatic as _, Iterable as _, ModelTrait as _,
    QueryResult, Statement, Value as Stored,
};
use serde_json::{Value, json};

use crate::harness::{Backend, FreshDatabase, TestWorker, accept, deliver, sample};

/// Bits of the optional fields that are left out.
type Gaps = u32;

/// Fields that are always sent.
const REQUIRED: [&str; 15] = [
    "careq_id",
    "clinic_id",
    "first_name",
    "last_name",
    "phone_number",
    "name",
    "duration",
    "patient_careq_id",
    "doctor_careq_id",
    "service_careq_id",
    "book_datetime",
    "start_datetime",
    "end_datetime",
    "status",
    "updated_at",
];

/// Columns with the time of writing.
const MOMENTS: [&str; 4] = ["synced_at", "settled_at", "due_at", "parked_at"];

/// sea-orm reads a price of 0.00 as 0, so the price is read as text.
const PRICE: &str = "price";

/// Sealed columns, which differ each time.
const SEALED: [&str; 2] = ["aadhar_number", "event"];

#[test]
fn are_the_same_on_both_databases() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let record = (
        prop::sample::select(vec!["/patient", "/doctor", "/service", "/appointment"]),
        1..9_i64,
        any::<Gaps>(),
    );
    // The first batch inserts records, the second one changes most of them.
    let batches = prop::array::uniform2(prop::collection::vec(record, 1..40));
    let config = Config { cases: 12, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&batches, |batches| {
            let [on_sqlite, on_postgresql] = runtime.block_on(both(&batches));
            prop_assert_eq!(on_sqlite, on_postgresql);
            Ok(())
        })
        .unwrap();
}

/// Column and value.
type Row = Vec<(String, String)>;

type Tables = BTreeMap<&'static str, BTreeSet<Row>>;

async fn both(batches: &[Vec<(&'static str, i64, Gaps)>; 2]) -> [Tables; 2] {
    let mut deliveries: Vec<Vec<Delivery>> = Vec::new();
    for (batch, day) in batches.iter().zip(0..) {
        let accepted = batch.iter().zip(0..).map(|((path, careq_id, gaps), position)| {
            let at = noon() + TimeDelta::days(day) + TimeDelta::seconds(position);
            deliver(&accept(kind(path), &body(path, *careq_id, *gaps, at), at))
        });
        deliveries.push(accepted.collect());
    }
    let mut both = [Tables::new(), Tables::new()];
    for (tables, backend) in both.iter_mut().zip([Backend::Sqlite, Backend::Postgres]) {
        let database = FreshDatabase::new(backend).await;
        let worker = TestWorker::new(&database, 256).await;
        for batch in &deliveries {
            worker.work(Queue::Live, batch).await.unwrap();
        }
        *tables = stored(&database.connection).await;
    }
    both
}

fn noon() -> DateTime<Utc> {
    "2025-12-16T12:00:00Z".parse().unwrap()
}

fn kind(path: &str) -> Kind {
    path.trim_start_matches('/').parse().unwrap()
}

/// The specification's example with another number, texts that need quoting, and missing fields.
fn body(path: &str, careq_id: i64, gaps: Gaps, updated_at: DateTime<Utc>) -> Value {
    let mut body = sample(path);
    let fields = body.as_object_mut().unwrap();
    for name in ["careq_id", "patient_careq_id", "doctor_careq_id", "service_careq_id"] {
        fields.entry(name).and_modify(|number| *number = json!(careq_id));
    }
    for name in ["notes", "address", "location", "description", "first_name", "name"] {
        fields
            .entry(name)
            .and_modify(|text| *text = json!(format!("{careq_id} \"{{\\,}}' NULL ₹\n{updated_at}")));
    }
    let price = ["0.00", "0", "12.50", "1200"][usize::try_from(careq_id).unwrap() % 4];
    fields.entry(PRICE).and_modify(|amount| *amount = serde_json::from_str(price).unwrap());
    fields.entry("hash").and_modify(|hash| *hash = json!(format!("hash {careq_id}")));
    fields.insert("updated_at".to_owned(), json!(updated_at));
    let optional: Vec<_> = fields.keys().filter(|name| !REQUIRED.contains(&name.as_str())).cloned().collect();
    for (name, place) in optional.iter().zip(0..) {
        if gaps >> place & 1 == 1 {
            fields.remove(name);
        }
    }
    body
}

async fn stored(database: &DatabaseConnection) -> Tables {
    Tables::from([
        ("patients", rows::<patient::Entity>(database).await),
        ("doctors", rows::<doctor::Entity>(database).await),
        ("services", rows::<service::Entity>(database).await),
        ("appointments", rows::<appointment::Entity>(database).await),
        ("events", rows::<event::Entity>(database).await),
        ("parked_events", rows::<parked_event::Entity>(database).await),
        ("prices", prices(database).await),
    ])
}

async fn prices(database: &DatabaseConnection) -> BTreeSet<Row> {
    let select = "SELECT CAST(careq_id AS text) AS careq_id, CAST(price AS text) AS price FROM services";
    let select = Statement::from_string(database.get_database_backend(), select);
    let price = |row: &QueryResult| {
        let price: Option<String> = row.try_get("", PRICE).unwrap();
        vec![(row.try_get("", "careq_id").unwrap(), price.unwrap_or_default())]
    };
    database.query_all(select).await.unwrap().iter().map(price).collect()
}

async fn rows<E: EntityTrait>(database: &DatabaseConnection) -> BTreeSet<Row> {
    let is_compared = |name: &str| name != PRICE && !MOMENTS.contains(&name);
    let columns = || E::Column::iter().filter(|column| is_compared(column.as_str()));
    let words = |row: &E::Model| {
        columns()
            .map(|column| (column.as_str().to_owned(), word(column.as_str(), &row.get(column))))
            .collect()
    };
    E::find().all(database).await.unwrap().iter().map(words).collect()
}

fn word(column: &str, value: &Stored) -> String {
    match value {
        Stored::String(Some(_)) if SEALED.contains(&column) => "sealed".to_owned(),
        Stored::String(Some(text)) => text.to_string(),
        // Independent of the column's type.
        null if *null == null.as_null() => "null".to_owned(),
        other => format!("{other:?}"),
    }
}
