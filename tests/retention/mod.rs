//! Settled rows are deleted after their retention period, and other rows are kept. The test sets the rows of real
//! events to old times.

mod large;
mod role;

use std::collections::BTreeSet;
use std::time::Duration;

use careq_shared::clock;
use careq_shared::entities::{
    audit_entry, audit_letter, batch, dead_letter, dead_letter_attempt, event, lease, patient as patients,
    replay_job, replay_job_letter,
};
use careq_shared::replay::JobLetterState;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, DatabaseConnection, EntityTrait, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, Statement, TransactionTrait as _,
};
use serde_json::{Value, json};

use crate::harness::{
    Process, Stack, appointment, clock_library, doctor, patient, service, until, until_reads, until_within,
};

/// The shortest scan interval, and the default periods except for the audit log.
const SETTINGS: [(&str, &str); 3] = [
    ("CAREQ_RETENTION_SCAN_INTERVAL_S", "1"),
    ("CAREQ_RETENTION_AUDIT_DAYS", "365"),
    ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1"),
];

#[tokio::test]
async fn settled_rows_are_deleted_on_the_embedded_default() {
    let stack = Stack::embedded(&SETTINGS).await;
    each_rule(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn settled_rows_are_deleted_on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &SETTINGS).await;
    each_rule(&stack).await;
    stack.finish().await;
}

/// A worker dies within a step. The step is rolled back, no other worker continues while the lease lasts, and
/// another one continues afterwards.
#[tokio::test]
async fn another_worker_continues_after_one_is_killed() {
    let mut stack = Stack::full(1, &SETTINGS).await;
    for number in 1..=5 {
        assert_eq!(stack.client.post("/doctor", &doctor(number)).await.status, 201);
    }
    stack.stop_workers().await;
    let database = stack.database.connection.clone();
    age::<event::Entity>(&database, &[event::Column::AcceptedAt, event::Column::SettledAt], 100).await;
    // Jobs, letters and batches are deleted first.
    let ended = stack.crashing_worker("deleted:4").ended().await;
    assert!(!ended.success);
    assert_eq!(events(&database).await.len(), 5, "the step was not committed");
    let held_lease = lease::Entity::find().one(&database).await.unwrap().unwrap();
    assert!(held_lease.ends_at > clock::now(), "the dead worker's lease has not expired");
    stack.start_worker().await;
    stack.start_worker().await;
    until_within(Duration::from_mins(2), "the ledger is empty", || async {
        events(&database).await.is_empty().then_some(())
    })
    .await;
    assert!(clock::now() >= held_lease.ends_at, "no worker has taken the lease before it expired");
    stack.finish().await;
}

/// Ages and leases are measured with the database's clock, so another worker can take the lease afterwards.
#[tokio::test]
async fn a_worker_whose_clock_runs_ahead_deletes_nothing_early() {
    let mut stack = Stack::full(1, &SETTINGS).await;
    for number in [1, 2] {
        assert_eq!(stack.client.post("/doctor", &doctor(number)).await.status, 201);
    }
    stack.stop_workers().await;
    let database = &stack.database.connection;
    age_event(database, 1, 100).await;
    let library = clock_library().display().to_string();
    let ahead =
        [("LD_PRELOAD", library.as_str()), ("FAKETIME", "+400d"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let settings: Vec<_> = stack.settings().chain(ahead).collect();
    let worker = Process::start(&["worker"], &settings);
    until("the old rows are deleted", || async {
        (events(database).await == BTreeSet::from([("doctor".to_owned(), 2)])).then_some(())
    })
    .await;
    let lease = lease::Entity::find().one(database).await.unwrap().unwrap();
    assert!(lease.ends_at < clock::now() + TimeDelta::minutes(1), "{lease:?}");
    assert!(worker.stop().await.success);
    stack.finish().await;
}

/// Logs the number of ledger rows that each statement deletes. A statement that deletes many is slow.
const LOG_STEPS: &str = "CREATE TABLE steps (number bigserial, deleted bigint NOT NULL);
    CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            INSERT INTO steps (deleted) SELECT count(*) FROM gone;
            PERFORM pg_sleep(0.6) FROM gone HAVING count(*) > 100;
            RETURN NULL;
        END $$;
    CREATE TRIGGER note_step AFTER DELETE ON events REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION note_step()";

/// Steps are small, smaller after a slow one, and do not wait for locks. A row locked by live traffic is left for the next round.
#[tokio::test]
async fn small_steps_skip_locked_rows() {
    let mut stack = Stack::full(1, &SETTINGS).await;
    let database = stack.database.connection.clone();
    assert_eq!(stack.client.post("/doctor", &doctor(1)).await.status, 201);
    stack.stop_workers().await;
    database.execute_unprepared(LOG_STEPS).await.unwrap();
    let many = "INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, settled_at)
        SELECT 'event ' || number, clinic_id, 'key ' || number, content_digest, kind, 1000 + number, accepted_at, outcome, settled_at
        FROM events, generate_series(1, 1234) AS number";
    database.execute_unprepared(many).await.unwrap();
    age::<event::Entity>(&database, &[event::Column::AcceptedAt, event::Column::SettledAt], 100).await;
    let live = database.begin().await.unwrap();
    // The timeout of a worker's own transaction would end this one.
    live.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await.unwrap();
    live.execute_unprepared("SELECT event_id FROM events WHERE careq_id = 1 FOR NO KEY UPDATE")
        .await
        .unwrap();
    stack.start_worker().await;
    stack.start_worker().await;
    until_within(Duration::from_mins(1), "all rows but one are deleted", || async {
        (event::Entity::find().count(&database).await.unwrap() == 1).then_some(())
    })
    .await;
    let steps = "SELECT deleted FROM steps WHERE deleted > 0 ORDER BY number";
    let steps = Statement::from_string(database.get_database_backend(), steps);
    let steps: Vec<i64> =
        database.query_all(steps).await.unwrap().iter().map(|row| row.try_get_by(0).unwrap()).collect();
    assert_eq!((steps.iter().sum::<i64>(), steps.len() >= 3), (1234, true), "{steps:?}");
    let is_slow = |step: &i64| *step > 100;
    assert!(steps.iter().any(is_slow), "{steps:?}");
    let shrinks = |pair: &[i64]| !is_slow(&pair[0]) || pair[1] < pair[0];
    assert!(steps.windows(2).all(shrinks), "a smaller step follows a slow one: {steps:?}");
    live.rollback().await.unwrap();
    until("the last row is deleted", || async { events(&database).await.is_empty().then_some(()) }).await;
    stack.finish().await;
}

async fn each_rule(stack: &Stack) {
    let (client, database) = (&stack.client, &stack.database.connection);
    let stamped = |number, at: &str| with(patient(number), json!({ "updated_at": at }));
    client.post("/patient", &stamped(1, "2025-12-10T10:00:00Z")).await;
    client.post("/patient", &with(stamped(1, "2025-12-11T10:00:00Z"), json!({ "city": "Pune" }))).await;
    client.post("/patient", &stamped(2, "2025-12-10T10:00:00Z")).await;
    letters(stack).await;
    for id in ["old", "young"] {
        let records = [json!({ "type": "doctor", "data": doctor(if id == "old" { 20 } else { 21 }) })];
        client
            .post("/batch", &json!({ "clinic_id": "clinic_abc", "batch_id": id, "records": records }))
            .await;
    }
    assert_eq!(
        client.post("/appointment", &appointment(9)).await.status,
        422,
        "the appointment's parents are missing"
    );

    // A duplicate is accepted on day 80.
    age_event(database, 2, 80).await;
    let copy = client.post("/patient", &stamped(2, "2025-12-10T10:00:00Z")).await;
    assert_eq!(copy.headers["idempotent-replayed"], "true");
    age_everything(database).await;
    // The current round may have scanned some tables before the rows were old.
    until_reads(Duration::from_mins(1), "only the expected rows are left", &expected_rest(), || {
        remaining(database)
    })
    .await;
    assert_eq!(patients::Entity::find().count(database).await.unwrap(), 3, "records are kept");
    assert_eq!(client.get("/status/appointment/9").await.body["data"]["sync_status"], "waiting");

    a_whole_round_later(stack).await;
    assert_eq!(remaining(database).await, expected_rest(), "the remaining rows are kept in the next round");
    duplicates_of_deleted_events(stack).await;
    // Deleted are: both events of patient 1, the parents of 3 and its appointment, and 5 with its letter. Further,
    // the events of both batches, and the two of the last rounds.
    let counted = async || [pruned(stack, "batches").await, pruned(stack, "events").await];
    until_reads(Duration::from_secs(30), "deleted rows are counted", &[1.0, 11.0], counted).await;
    assert!(stack.logged().contains("settled events were deleted"));
}

/// Appointments 4, 5 and 6 have the hash of 3: one letter stays open, one is discarded, one is corrected without
/// success. A job of 5 is finished. The job of the correction is finished except for one letter that is set to
/// waiting.
async fn letters(stack: &Stack) {
    for (path, body) in [("/patient", patient(3)), ("/doctor", doctor(3)), ("/service", service(3))] {
        assert_eq!(stack.client.post(path, &body).await.status, 201);
    }
    let hashed = |number| {
        let parents =
            json!({ "patient_careq_id": 3, "doctor_careq_id": 3, "service_careq_id": 3, "hash": "one" });
        with(appointment(number), parents)
    };
    assert_eq!(stack.client.post("/appointment", &hashed(3)).await.status, 201);
    for number in [4, 5, 6] {
        assert_eq!(stack.client.post("/appointment", &hashed(number)).await.status, 409);
    }
    let letter_id = async |number: i64| {
        let select = dead_letter::Entity::find().filter(dead_letter::Column::CareqId.eq(number));
        select.one(&stack.database.connection).await.unwrap().unwrap().id.to_string()
    };
    let (five, six) = (letter_id(5).await, letter_id(6).await);
    run(stack, &["replay", &five]).await;
    until("the job is finished", || async {
        let jobs = replay_job::Entity::find().all(&stack.database.connection).await.unwrap();
        jobs.iter().all(|job| job.finished_at.is_some()).then_some(())
    })
    .await;
    run(stack, &["discard", &five, "--reason", "not needed"]).await;
    let body = with(hashed(6), json!({ "notes": "corrected" })).to_string();
    let correct = ["dead-letters", "correct", &six, "--with", "-", "--json"];
    stack.command_with_input(&correct, &body).await;
    until("the correction has failed", || async {
        let letters = dead_letter::Entity::find().all(&stack.database.connection).await.unwrap();
        letters.iter().any(|letter| letter.original_id.is_some() && letter.attempts > 0).then_some(())
    })
    .await;
    until("both jobs are finished", || async {
        let jobs = replay_job::Entity::find().all(&stack.database.connection).await.unwrap();
        (jobs.len() == 2 && jobs.iter().all(|job| job.finished_at.is_some())).then_some(())
    })
    .await;
    let last = replay_job::Entity::find().all(&stack.database.connection).await.unwrap();
    let last = last.iter().max_by_key(|job| job.made_at).unwrap().id;
    replay_job_letter::Entity::update_many()
        .col_expr(replay_job_letter::Column::State, Expr::value(JobLetterState::Waiting))
        .filter(replay_job_letter::Column::JobId.eq(last))
        .exec(&stack.database.connection)
        .await
        .unwrap();
}

/// The remaining rows of each table that retention covers.
#[derive(Debug, PartialEq)]
struct Remaining {
    events: BTreeSet<(String, i64)>,
    batches: Vec<String>,
    /// `careq_id` of the letters' appointments, in order.
    letters: Vec<i64>,
    attempts_of_no_letter: usize,
    jobs_and_places: (u64, u64),
    discards: usize,
    letters_of_audit_entries: u64,
}

fn expected_rest() -> Remaining {
    let kept = [
        ("patient", 2, "sent again"),
        ("appointment", 4, "its letter is open"),
        ("appointment", 6, "the correction of its letter is open"),
        ("appointment", 9, "it waits"),
    ];
    Remaining {
        events: kept.iter().map(|(kind, number, _)| ((*kind).to_owned(), *number)).collect(),
        batches: vec!["young".to_owned()],
        letters: vec![4, 6, 6],
        attempts_of_no_letter: 0,
        // The job with a waiting letter.
        jobs_and_places: (1, 1),
        discards: 0,
        letters_of_audit_entries: 0,
    }
}

async fn remaining(database: &DatabaseConnection) -> Remaining {
    let letters = dead_letter::Entity::find().order_by_asc(dead_letter::Column::CareqId);
    let letters = letters.all(database).await.unwrap();
    let ids: BTreeSet<_> = letters.iter().map(|letter| letter.id).collect();
    let attempts = dead_letter_attempt::Entity::find().all(database).await.unwrap();
    let jobs = replay_job::Entity::find().count(database).await.unwrap();
    let places = replay_job_letter::Entity::find().count(database).await.unwrap();
    let actions = audit_entry::Entity::find().all(database).await.unwrap();
    Remaining {
        events: events(database).await,
        batches: batches(database).await,
        letters: letters.iter().filter_map(|letter| letter.careq_id).collect(),
        attempts_of_no_letter: attempts.iter().filter(|attempt| !ids.contains(&attempt.letter_id)).count(),
        jobs_and_places: (jobs, places),
        discards: actions.iter().filter(|entry| entry.action == "discard").count(),
        letters_of_audit_entries: audit_letter::Entity::find().count(database).await.unwrap(),
    }
}

/// Rows of a table that all processes have counted as deleted.
async fn pruned(stack: &Stack, table: &str) -> f64 {
    stack.metric("careq_sync_pruned_rows_total", &[("table", table)]).await
}

/// Waits until an old row is deleted, and with it a whole round has run.
async fn a_whole_round_later(stack: &Stack) {
    let database = &stack.database.connection;
    for number in [90, 91] {
        stack.client.post("/doctor", &doctor(number)).await;
        age_event(database, number, 100).await;
        until("the row is deleted", || async {
            (!events(database).await.contains(&("doctor".to_owned(), number))).then_some(())
        })
        .await;
    }
}

/// A later duplicate is a new event, and the record's own version prevents an overwrite.
async fn duplicates_of_deleted_events(stack: &Stack) {
    let older = with(patient(1), json!({ "updated_at": "2025-12-10T10:00:00Z" }));
    let newest = with(patient(1), json!({ "updated_at": "2025-12-11T10:00:00Z", "city": "Pune" }));
    for body in [&older, &newest] {
        let answer = stack.client.post("/patient", body).await;
        assert_eq!((answer.status, &answer.body["data"]["sync_status"]), (200, &json!("unchanged")));
        assert!(!answer.headers.contains_key("idempotent-replayed"), "the event is not known as a duplicate");
    }
    let stored = patients::Entity::find().filter(patients::Column::CareqId.eq(1));
    let stored = stored.one(&stack.database.connection).await.unwrap().unwrap();
    assert_eq!(stored.city.as_deref(), Some("Pune"), "the newer version is kept");
}

async fn age_everything(database: &DatabaseConnection) {
    use event::Column::{AcceptedAt, SettledAt};
    age::<event::Entity>(database, &[AcceptedAt, SettledAt], 100).await;
    age_of::<batch::Entity>(database, batch::Column::AcceptedAt, 61, batch::Column::BatchId.eq("old")).await;
    let settled = dead_letter::Column::SettledAt;
    age_of::<dead_letter::Entity>(database, settled, 91, settled.is_not_null()).await;
    age::<replay_job::Entity>(database, &[replay_job::Column::FinishedAt], 91).await;
    let discard = audit_entry::Column::Action.eq("discard");
    age_of::<audit_entry::Entity>(database, audit_entry::Column::At, 366, discard).await;
}

fn days_ago(days: i64) -> DateTime<Utc> {
    clock::now() - TimeDelta::days(days)
}

async fn age<E: EntityTrait>(database: &DatabaseConnection, columns: &[E::Column], days: i64) {
    let update = columns
        .iter()
        .fold(E::update_many(), |update, column| update.col_expr(*column, Expr::value(days_ago(days))));
    update.exec(database).await.unwrap();
}

async fn age_of<E: EntityTrait>(
    database: &DatabaseConnection,
    column: E::Column,
    days: i64,
    rows: sea_orm::sea_query::SimpleExpr,
) {
    E::update_many().col_expr(column, Expr::value(days_ago(days))).filter(rows).exec(database).await.unwrap();
}

async fn age_event(database: &DatabaseConnection, careq_id: i64, days: i64) {
    use event::Column::{AcceptedAt, CareqId, SettledAt};
    event::Entity::update_many()
        .col_expr(AcceptedAt, Expr::value(days_ago(days)))
        .col_expr(SettledAt, Expr::value(days_ago(days)))
        .filter(CareqId.eq(careq_id))
        .exec(database)
        .await
        .unwrap();
}

/// Kinds and numbers of the ledger's events.
async fn events(database: &DatabaseConnection) -> BTreeSet<(String, i64)> {
    let rows = event::Entity::find().all(database).await.unwrap();
    rows.into_iter().map(|row| (row.kind, row.careq_id)).collect()
}

async fn batches(database: &DatabaseConnection) -> Vec<String> {
    batch::Entity::find().all(database).await.unwrap().into_iter().map(|row| row.batch_id).collect()
}

fn with(mut body: Value, change: Value) -> Value {
    let Value::Object(change) = change else { panic!("{change}") };
    body.as_object_mut().unwrap().extend(change);
    body
}

async fn run(stack: &Stack, arguments: &[&str]) {
    let arguments: Vec<_> = ["dead-letters"].iter().chain(arguments).copied().collect();
    stack.command(&arguments, &[]).await;
}
