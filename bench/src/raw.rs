//! What the servers do without us. It must do no less than ours does at that point: confirmed, on disk, in one transaction
//! a batch.

use std::time::Instant;

use anyhow::Result;
use careq_shared::broker::Queue;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueuePurgeOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, TransactionTrait as _};

use crate::installation::{Installation, RABBITMQ};
use crate::{CONNECTIONS, patient};

/// Messages of a webhook's size, each confirmed, as many in flight as the ingress has connections.
pub(crate) async fn publish_with_confirms(installation: &Installation, count: usize) -> Result<f64> {
    let connection = Connection::connect(RABBITMQ, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = installation.topology.name(Queue::Live);
    let body = format!("{}{}", patient(0), " ".repeat(400)).into_bytes();
    let began = Instant::now();
    let mut confirms = FuturesUnordered::new();
    for _ in 0..count {
        if confirms.len() == CONNECTIONS {
            confirms.next().await.transpose()?;
        }
        #[expect(clippy::disallowed_methods, reason = "the raw limit is what is measured")]
        let publishing = channel.basic_publish(
            "".into(),
            queue.as_str().into(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            &body,
            BasicProperties::default().with_delivery_mode(2),
        );
        confirms.push(publishing.await?);
    }
    while confirms.next().await.transpose()?.is_some() {}
    let rate = rate(count, began);
    channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
    Ok(rate)
}

/// The same rows as a worker writes: a patient and its ledger row, 256 of each a transaction.
pub(crate) async fn insert_in_batches(installation: &Installation, count: usize) -> Result<f64> {
    let database = &installation.database;
    let copies = "CREATE TABLE raw_patients (LIKE patients INCLUDING ALL); CREATE TABLE raw_events (LIKE events INCLUDING ALL)";
    database.execute_unprepared(copies).await?;
    let numbers: Vec<usize> = (0..count).collect();
    let began = Instant::now();
    for batch in numbers.chunks(installation.config.worker.batch) {
        let transaction = database.begin().await?;
        for (table, columns, row) in [
            ("raw_patients", PATIENT, patient_row as fn(usize) -> Vec<sea_orm::Value>),
            ("raw_events", EVENT, event_row),
        ] {
            let width = columns.split(',').count();
            let places = (0..batch.len()).map(|row| places(row, width)).collect::<Vec<_>>().join(", ");
            let sql = format!("INSERT INTO {table} ({columns}) VALUES {places} ON CONFLICT DO NOTHING");
            let values = batch.iter().flat_map(|number| row(*number));
            transaction.execute(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
        }
        transaction.commit().await?;
    }
    let rate = rate(count, began);
    database.execute_unprepared("DROP TABLE raw_patients; DROP TABLE raw_events").await?;
    Ok(rate)
}

const PATIENT: &str = "id, clinic_id, careq_id, first_name, last_name, phone_number, email, city, updated_at, \
                       version_accepted_at, version_event_id, synced_at";
const EVENT: &str =
    "event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, settled_at";

fn places(row: usize, width: usize) -> String {
    let places = (1..=width).map(|place| format!("${}", row * width + place)).collect::<Vec<_>>();
    format!("({})", places.join(", "))
}

fn patient_row(number: usize) -> Vec<sea_orm::Value> {
    let now = careq_shared::clock::now();
    vec![
        uuid::Uuid::from_u128(number as u128).into(),
        "clinic_abc".into(),
        i64::try_from(number).unwrap_or_default().into(),
        "Asha".into(),
        "Rao".into(),
        "9000000001".into(),
        "asha@example.com".into(),
        "Pune".into(),
        now.into(),
        now.into(),
        format!("evt_{number:044}").into(),
        now.into(),
    ]
}

fn event_row(number: usize) -> Vec<sea_orm::Value> {
    let now = careq_shared::clock::now();
    vec![
        format!("evt_{number:044}").into(),
        "clinic_abc".into(),
        format!("sha256:{number:064}").into(),
        format!("{number:064}").into(),
        "patient".into(),
        i64::try_from(number).unwrap_or_default().into(),
        now.into(),
        "created".into(),
        now.into(),
    ]
}

/// Per second.
pub(crate) fn rate(count: usize, began: Instant) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    f64::from(count) / began.elapsed().as_secs_f64()
}
