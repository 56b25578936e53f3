//! Retention by a role with the privileges that the doctor names, and no others: none to change the audit log.

use std::time::Duration;

use careq_shared::entities;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use serde_json::Value;

use super::SETTINGS;
use crate::harness::{PARTITIONS, Process, SEAL_KEYS, amqp_url, delete_queues, fresh_prefix, until_reads};
use crate::servers::Postgresql;

/// A role that may connect and read which migrations were applied. Every start makes sure that the table of migrations exists.
const CREATE_ROLE: &str = "CREATE ROLE careq_sync LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO careq_sync;
    GRANT SELECT ON seaql_migrations TO careq_sync";

/// A row of every table from which retention deletes.
const OLD_ROWS: &str = "
    INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, settled_at)
        VALUES ('event', 'clinic', 'key', '', 'patient', 1, '2020-01-01', 'created', '2020-01-01');
    INSERT INTO batches (clinic_id, batch_id, content_digest, entries, accepted_at) VALUES ('clinic', 'batch', '', '[]', '2020-01-01');
    INSERT INTO dead_letters (id, class, code, message, attempts, first_seen_at, last_seen_at, worker, version, payload, state, settled_at)
        VALUES ('00000000-0000-4000-8000-000000000001', 'data', '', '', 1, '2020-01-01', '2020-01-01',
            '', '', '', 'resolved', '2020-01-01');
    INSERT INTO dead_letter_attempts (id, letter_id, at, worker, version, message)
        SELECT gen_random_uuid(), id, '2020-01-01', '', '', '' FROM dead_letters;
    INSERT INTO replay_jobs (id, state, filter, rate_per_second, letters, made_by, made_at, finished_at)
        VALUES ('00000000-0000-4000-8000-000000000002', 'finished', '{}', 1, 1, '', '2020-01-01', '2020-01-01');
    INSERT INTO replay_job_letters (job_id, letter_id, position, state)
        SELECT replay_jobs.id, dead_letters.id, 1, 'resolved' FROM replay_jobs, dead_letters;
    INSERT INTO audit_log (id, at, actor, origin, action, details)
        VALUES ('00000000-0000-4000-8000-000000000003', '2020-01-01', '', '', 'discard', '{}');
    INSERT INTO audit_letters (letter_id, audit_id) SELECT dead_letters.id, audit_log.id FROM dead_letters, audit_log;
    INSERT INTO processes (id, kind, host, pid, version, started_at, seen_at, concurrency, partitions, in_flight, events_per_s)
        VALUES ('00000000-0000-4000-8000-000000000004', 'worker', '', 1, '', '2020-01-01', '2020-01-01', 2, 2, 0, 0)";

#[tokio::test]
async fn the_privileges_that_the_doctor_names_suffice() {
    let server = Postgresql::start().await;
    let name = server.fresh_database().await;
    let owner = server.connect(&name).await.unwrap();
    careq_migrations::up(&owner).await.unwrap();
    owner.execute_unprepared(CREATE_ROLE).await.unwrap();
    let prefix = fresh_prefix();
    let url = Postgresql::url(&server.address(), &name).replace("careq@", "careq_sync@");
    let (broker, partitions) = (amqp_url(), PARTITIONS.to_string());
    let own = [
        ("CAREQ_DATABASE_URL", url.as_str()),
        ("CAREQ_BROKER_URL", broker.as_str()),
        ("CAREQ_BROKER_PREFIX", prefix.as_str()),
        ("CAREQ_BROKER_PARTITIONS", partitions.as_str()),
        ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_LOG_FORMAT", "json"),
        ("CAREQ_SEAL_KEYS", SEAL_KEYS),
    ];
    let settings: Vec<_> = SETTINGS.into_iter().chain(own).collect();
    for grant in permissions(&settings, "permissions.tables").await {
        owner.execute_unprepared(&grant).await.unwrap();
    }
    assert!(permissions(&settings, "permissions.audit_log").await.is_empty());
    let may_update = "SELECT has_table_privilege('careq_sync', 'audit_log', 'UPDATE')";
    assert!(!read::<bool>(&owner, may_update).await);

    owner.execute_unprepared(OLD_ROWS).await.unwrap();
    assert_eq!(filled(&owner).await.len(), 9);
    let worker = Process::start(&["worker"], &settings);
    let own_row = vec!["processes".to_owned()];
    until_reads(Duration::from_secs(30), "every old row is deleted", &own_row, || filled(&owner)).await;
    let ended = worker.stop().await;
    assert!(ended.success && !ended.stderr.contains("old rows cannot be deleted"), "{}", ended.stderr);
    assert_eq!(filled(&owner).await, Vec::<String>::new(), "the worker has deleted its own row");
    delete_queues(&prefix, PARTITIONS).await;
}

/// The remedies of the doctor's findings with this code.
async fn permissions(settings: &[(&str, &str)], code: &str) -> Vec<String> {
    let ended = Process::run(&["doctor", "--json"], settings).await;
    let report: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|fault| panic!("{fault}: {}\n{}", ended.stdout, ended.stderr));
    let examinations = report["examinations"].as_array().unwrap().iter();
    let findings = examinations.flat_map(|examination| examination["findings"].as_array().unwrap());
    let found = findings.filter(|finding| finding["code"] == code);
    found.map(|finding| finding["do"].as_str().unwrap().to_owned()).collect()
}

/// The tables of `deleted_from` that have rows.
async fn filled(database: &DatabaseConnection) -> Vec<String> {
    let mut filled = Vec::new();
    for table in entities::deleted_from() {
        if read::<i64>(database, &format!("SELECT count(*) FROM {table}")).await > 0 {
            filled.push(table);
        }
    }
    filled
}

async fn read<T: sea_orm::TryGetable>(database: &DatabaseConnection, sql: &str) -> T {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    database.query_one(statement).await.unwrap().unwrap().try_get_by(0).unwrap()
}
