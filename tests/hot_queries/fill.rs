//! A database as it is after years, made by the database itself. Its keys are as random as the real ones.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};

/// Events that are older than the default retention.
const OLD_EVENTS: i64 = 3_000;

/// Fills all tables, the ledger with so many events, of which one in twenty is the booking of a patient of its own.
pub(super) async fn tables(database: &DatabaseConnection, events: i64) {
    ledger(database, events).await;
    records(database, events / 20).await;
    waiting_and_dead(database, (events / 100).max(20_000)).await;
    batches(database, events / 20).await;
    audit(database, (events / 50).max(20_000)).await;
    vacuum(database).await;
}

/// As the server does by itself, sooner or later: what was deleted is no longer looked at.
pub(super) async fn vacuum(database: &DatabaseConnection) {
    execute(database, "VACUUM ANALYZE").await;
}

/// The ledger alone. Without its indexes first, since ten million random keys fill them slowly one by one.
pub(super) async fn ledger(database: &DatabaseConnection, events: i64) {
    let select = "SELECT indexdef FROM pg_indexes WHERE tablename = 'events' AND indexname <> 'events_pkey'";
    let select = Statement::from_string(database.get_database_backend(), select);
    let rows = database.query_all(select).await.unwrap();
    let indexes: Vec<String> = rows.iter().map(|row| row.try_get_by(0).unwrap()).collect();
    assert_eq!(indexes.len(), 2, "{indexes:?}");
    let drop = "ALTER TABLE events DROP CONSTRAINT events_pkey;
                DROP INDEX events_idempotency_key; DROP INDEX events_by_acceptance";
    execute(database, drop).await;
    old_events(database).await;
    let evenly = format!("now() - (80 * n::float8 / {events}) * interval '1 day'");
    execute(database, &of_ledger("event", events, &evenly)).await;
    let make = format!(
        "SET maintenance_work_mem = '512MB'; ALTER TABLE events ADD PRIMARY KEY (event_id); {};
         RESET maintenance_work_mem",
        indexes.join("; ")
    );
    execute(database, &make).await;
}

/// Events that are to be forgotten.
pub(super) async fn old_events(database: &DatabaseConnection) {
    let long_ago = "now() - interval '95 days' - n * interval '1 second'";
    execute(database, &of_ledger("old", OLD_EVENTS, long_ago)).await;
}

fn of_ledger(name: &str, events: i64, accepted_at: &str) -> String {
    format!(
        "INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome,
                             settled_at)
         SELECT 'evt_' || md5('{name}' || n) || left(md5('more' || n), 12), 'clinic_abc',
                md5('key of {name}' || n) || md5('more' || n), md5('digest' || n) || md5('more' || n),
                'patient', n, {accepted_at}, 'created', {accepted_at}
         FROM generate_series(1, {events}) AS n"
    )
}

async fn records(database: &DatabaseConnection, records: i64) {
    let version = "updated_at, version_accepted_at, version_event_id, synced_at";
    let now = "now(), now(), 'evt', now()";
    let statements = format!(
        "INSERT INTO patients (id, clinic_id, careq_id, first_name, last_name, phone_number, {version})
         SELECT md5('patient' || n)::uuid, 'clinic_abc', n, 'Asha', 'Rao', '9000000001', {now}
         FROM generate_series(1, {records}) AS n;
         INSERT INTO doctors (id, clinic_id, careq_id, first_name, last_name, {version})
         SELECT md5('doctor' || n)::uuid, 'clinic_abc', n, 'Vikram', 'Iyer', {now} FROM generate_series(1, 5000) AS n;
         INSERT INTO services (id, clinic_id, careq_id, name, duration, price, {version})
         SELECT md5('service' || n)::uuid, 'clinic_abc', n, 'Check-up', 20, 500, {now}
         FROM generate_series(1, 5000) AS n;
         INSERT INTO appointments (id, clinic_id, careq_id, patient_careq_id, doctor_careq_id, service_careq_id, book_datetime,
                                   start_datetime, end_datetime, confirmation_number, status, status_updated_at,
                                   status_accepted_at, status_event_id, hash, {version})
         SELECT md5('appointment' || n)::uuid, 'clinic_abc', n, n, 1 + n % 5000, 1 + n % 5000, now(), now(), now(), 'APPT',
                'booked', now(), now(), 'evt', md5('hash' || n), {now}
         FROM generate_series(1, {records}) AS n"
    );
    execute(database, &statements).await;
}

/// Events that wait for patients who never come, and letters: 5,000 are open, 2,000 are to be forgotten, the others were settled of late.
async fn waiting_and_dead(database: &DatabaseConnection, rows: i64) {
    let statements = format!(
        "INSERT INTO parked_events (event_id, clinic_id, kind, careq_id, event, waiting_kind, waiting_careq_id, due_at, attempts,
                                    parked_at)
         SELECT 'evt_' || md5('parked' || n), 'clinic_abc', 'appointment', 8000000000 + n, 'sealed', 'patient', 8000000000 + n,
                now() + interval '1 day', 0, now()
         FROM generate_series(1, {rows}) AS n;
         INSERT INTO dead_letters (id, event_id, clinic_id, kind, careq_id, class, code, message, attempts, first_seen_at,
                                   last_seen_at, worker, version, payload, state, fingerprint, settled_at)
         SELECT md5('letter' || n)::uuid, 'evt_' || md5('letter' || n), 'clinic_abc', 'patient', 7000000000 + n, 'data',
                'SERVER_ERROR', 'refused', 1, now() - n * interval '1 minute', now() - n * interval '1 minute', 'worker', '0.1.0',
                sha256(n::text::bytea), CASE WHEN n <= 5000 THEN 'open' ELSE 'resolved' END, md5('cause'),
                CASE WHEN n <= 5000 THEN NULL
                     WHEN n <= 7000 THEN now() - interval '95 days' - n * interval '1 second'
                     ELSE now() - n * interval '1 second' END
         FROM generate_series(1, {rows}) AS n;
         INSERT INTO dead_letter_attempts (id, letter_id, at, worker, version, message)
         SELECT md5('attempt' || n)::uuid, md5('letter' || n)::uuid, now(), 'worker', '0.1.0', 'refused'
         FROM generate_series(1, {rows}) AS n;
         INSERT INTO replay_jobs (id, state, filter, rate_per_second, letters, made_by, made_at, finished_at)
         SELECT md5('job' || n)::uuid, 'finished', '{{}}', 100, 1, 'night.shift', now() - n * interval '1 day',
                now() - n * interval '1 day'
         FROM generate_series(1, 200) AS n;
         INSERT INTO replay_job_letters (job_id, letter_id, position, state)
         SELECT md5('job' || 1 + n % 200)::uuid, md5('letter' || n)::uuid, n, 'resolved' FROM generate_series(1, {rows}) AS n"
    );
    execute(database, &statements).await;
}

/// Some are to be forgotten, and were all accepted at the same moment.
async fn batches(database: &DatabaseConnection, batches: i64) {
    let statements = format!(
        "INSERT INTO batches (clinic_id, batch_id, content_digest, entries, accepted_at)
         SELECT 'clinic_abc', 'batch ' || n, md5('digest' || n), '[]',
                CASE WHEN n <= 1200 THEN now() - interval '70 days' ELSE now() - n * interval '10 seconds' END
         FROM generate_series(1, {batches}) AS n"
    );
    execute(database, &statements).await;
}

/// Of more than two years, of which the first are to be forgotten.
async fn audit(database: &DatabaseConnection, entries: i64) {
    let statements = format!(
        "INSERT INTO audit_log (id, at, actor, origin, action, letters, details)
         SELECT md5('entry' || n)::uuid, now() - interval '20000 hours' * (n / {entries}.0), 'night.shift', 'api', 'discard', 1, '{{}}'
         FROM generate_series(1, {entries}) AS n;
         INSERT INTO audit_letters (letter_id, audit_id)
         SELECT md5('letter' || n)::uuid, md5('entry' || n)::uuid FROM generate_series(1, {entries}) AS n"
    );
    execute(database, &statements).await;
}

async fn execute(database: &DatabaseConnection, sql: &str) {
    database.execute_unprepared(sql).await.unwrap();
}
