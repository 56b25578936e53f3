//! A whole installation within the test's process, so that every statement can be recorded: requests of every
//! kind, waiting and failed events, a replay, and periodic tasks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use careq_console::audit::{Actor, Origin};
use careq_console::{clinics, dead_letters, jobs};
use careq_ingress::{Ingress, Parts};
use careq_shared::broker::embedded::Embedded;
use careq_shared::config::{self, Config};
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter, lease, replay_job};
use careq_shared::telemetry::measure::Measured;
use careq_shared::{clock, seal};
use careq_worker::{Settings, Worker};
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, Statement};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    CLINIC, Client, FreshDatabase, SEAL_KEYS, TOKEN, appointment, doctor, patient, service, until,
    until_within,
};

/// `careq_id` after those of the filled tables.
const FIRST: i64 = 9_000_000_000;

/// One statement of each shape, the one with the most values.
#[derive(Default)]
struct RecordedStatements(Mutex<BTreeMap<String, Statement>>);

/// Statements of all parts of the installation.
pub(super) async fn statements(database: &FreshDatabase) -> Vec<Statement> {
    let config = config(&database.url);
    let actor = Actor::process_user(Origin::Settings);
    clinics::seed(&database.connection, &|| seal::open(&config), &actor, &config.clinics).await.unwrap();
    let recorded = Arc::new(RecordedStatements::default());
    let mut connection = careq_shared::database::connect(&config).await.unwrap();
    let writer = Arc::clone(&recorded);
    connection.set_metric_callback(move |info| writer.note(info.statement));
    let folder = tempfile::tempdir().unwrap();
    let broker = Arc::new(Embedded::open(folder.path()).await.unwrap());
    let seal = Arc::new(seal::open(&config).unwrap());
    let shutdown = CancellationToken::new();

    let parts = Parts {
        settings: config.ingress.clone(),
        publish_timeout: Duration::from_secs(5),
        broker: broker.clone(),
        database: connection.clone(),
        seal: seal.clone(),
    };
    let listener = TcpListener::bind(config.ingress.listen).await.unwrap();
    let client = Client::new(&listener.local_addr().unwrap().to_string(), TOKEN);
    let ingress = Ingress::start(parts, &shutdown);
    ingress.clinics_are_known().await;
    let worker = Worker::new(connection.clone(), broker, seal, Settings::from(&config));
    let measured = Measured { database: connection, besides: Vec::new(), broker: None };
    let tasks = [
        tokio::spawn(careq_ingress::run(listener, ingress, shutdown.clone())),
        tokio::spawn(worker.run(shutdown.clone())),
        tokio::spawn(measured.keep_measuring(Duration::from_secs(1), shutdown.clone())),
    ];
    requests(&client).await;
    a_replay(&database.connection).await;
    until_within(Duration::from_mins(5), "a round of retention is complete", || async {
        let lease = lease::Entity::find().one(&database.connection).await.unwrap()?;
        let old = dead_letter::Column::SettledAt.lt(clock::now() - Duration::from_hours(24 * 90));
        let letter = dead_letter::Entity::find().filter(old).one(&database.connection).await.unwrap();
        (letter.is_none() && lease.ends_at < clock::now() + Duration::from_secs(2)).then_some(())
    })
    .await;
    shutdown.cancel();
    for task in tasks {
        task.await.unwrap();
    }
    recorded.explainable()
}

async fn requests(client: &Client) {
    let batch = |id: &str, numbers: std::ops::RangeInclusive<i64>| {
        let records: Vec<_> =
            numbers.map(|number| json!({ "type": "patient", "data": patient(FIRST + number) })).collect();
        json!({ "clinic_id": CLINIC, "batch_id": id, "records": records })
    };
    let waiting = client.post("/appointment", &appointment(FIRST)).await;
    for (path, body) in
        [("/patient", patient(FIRST)), ("/doctor", doctor(FIRST)), ("/service", service(FIRST))]
    {
        assert_eq!(client.post(path, &body).await.status, 201);
        client.post(path, &body).await;
    }
    until("the waiting event is stored", || client.event_is(&waiting.body["event_id"], "synced")).await;
    let appointment_with_hash = |number: i64| {
        let mut body = appointment(FIRST + number);
        let parents = json!({ "patient_careq_id": FIRST, "doctor_careq_id": FIRST, "service_careq_id": FIRST, "hash": "one" });
        body.as_object_mut().unwrap().extend(parents.as_object().unwrap().clone());
        body
    };
    assert_eq!(client.post("/appointment", &appointment_with_hash(1)).await.status, 201);
    let refused = client.post("/appointment", &appointment_with_hash(2)).await;
    assert_eq!(refused.status, 409);
    let status = json!({ "careq_id": FIRST + 1, "clinic_id": CLINIC, "status": "confirmed", "updated_at": "2026-01-01T00:00:00Z" });
    assert_eq!(client.post("/appointment/status", &status).await.status, 200);
    let cancel =
        json!({ "careq_id": FIRST + 1, "clinic_id": CLINIC, "cancelled_at": "2026-01-02T00:00:00Z" });
    assert_eq!(client.post("/appointment/cancel", &cancel).await.status, 200);
    let report = client.post("/batch", &batch("one", 10..=409)).await;
    assert_eq!(report.body["data"]["successful"], 400, "{}", report.body["message"]);
    assert_eq!(client.post("/batch", &batch("one", 500..=501)).await.status, 409);
    for path in [
        "/batch/one",
        "/status/patient/9000000000",
        "/status/appointment/9000000001",
        "/status/appointment/9000000002",
    ] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    let missing = client.get("/status/doctor/9000000009").await;
    assert_eq!(missing.status, 404);
    client.event_is(&refused.body["event_id"], "failed").await.unwrap();
}

/// Replays the letter whose hash belongs to another appointment; it fails again.
async fn a_replay(database: &DatabaseConnection) {
    let of_ours = dead_letter::Entity::find().filter(dead_letter::Column::CareqId.eq(FIRST + 2));
    let letter = of_ours.one(database).await.unwrap().unwrap();
    assert_eq!(letter.state, DeadLetterState::Open);
    let actor = Actor { name: "test".to_owned(), origin: Origin::CommandLine };
    jobs::make(database, &actor, &dead_letters::Selection::only(letter.id), 100).await.unwrap();
    until("the job is finished", || async {
        let unfinished = replay_job::Entity::find().filter(replay_job::Column::FinishedAt.is_null());
        unfinished.one(database).await.unwrap().is_none().then_some(())
    })
    .await;
}

fn config(url: &str) -> Config {
    let clinics = format!("{CLINIC}={TOKEN}");
    let settings = [
        ("CAREQ_DATABASE_URL", url),
        ("CAREQ_SEAL_KEYS", SEAL_KEYS),
        ("CAREQ_CLINICS", &clinics),
        ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
        ("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "20000"),
        ("CAREQ_INGRESS_BATCH_RESULT_TIMEOUT_MS", "20000"),
        ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1"),
        ("CAREQ_RETENTION_SCAN_INTERVAL_S", "1"),
        ("CAREQ_RETENTION_AUDIT_DAYS", "365"),
    ];
    config::load(None, settings.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
}

impl RecordedStatements {
    fn note(&self, statement: &Statement) {
        let values = |statement: &Statement| statement.values.as_ref().map_or(0, |values| values.0.len());
        let mut recorded = self.0.lock().unwrap();
        let most = recorded.entry(shape(&statement.sql)).or_insert_with(|| statement.clone());
        if values(statement) > values(most) {
            *most = statement.clone();
        }
    }

    /// The statements that have a plan.
    fn explainable(&self) -> Vec<Statement> {
        let recorded = self.0.lock().unwrap();
        let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
        let has_plan = |sql: &str| verbs.iter().any(|verb| sql.starts_with(verb));
        // A statement that only takes SQLite's lock reads no table.
        let is_explainable = |sql: &str| has_plan(sql) && !sql.ends_with(" WHERE 0");
        let explainable: Vec<_> =
            recorded.values().filter(|statement| is_explainable(&statement.sql)).cloned().collect();
        assert!(explainable.len() > 40, "{} statements were recorded", explainable.len());
        explainable
    }
}

/// A statement without its values and their number: `IN ($1, $2)` and `IN ($1)` have the same shape.
fn shape(sql: &str) -> String {
    let mut shape = String::new();
    for letter in sql.chars().filter(|letter| !letter.is_ascii_digit()) {
        shape.push(letter);
        for repeated in ["$, $", "($), ($)"] {
            if shape.ends_with(repeated) {
                shape.truncate(shape.len() - repeated.len() / 2 - 1);
            }
        }
    }
    shape
}
