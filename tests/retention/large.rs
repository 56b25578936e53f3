//! A replay job and an audit entry with many dead letters, as the commands make them. `TEST_CHILDREN` sets their number.

use std::time::Duration;

use careq_shared::entities::{audit_entry, audit_letter, replay_job, replay_job_letter};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _, Statement};
use serde_json::Value;

use super::{SETTINGS, age};
use crate::harness::{Stack, until_within};

/// More than two steps delete.
const CHILDREN: i64 = 12_000;

/// Maximum number of children that a step deletes.
const MAX_CHILDREN: i64 = 5_000;

/// Number of other jobs and audit entries when the commands run.
const OTHERS: i64 = 1_000;

const DELETE_OTHERS: &str =
    "DELETE FROM replay_jobs WHERE made_by = 'other'; DELETE FROM audit_log WHERE actor = 'other'";

/// A step's statement that takes longer is ended.
const STATEMENT_TIMEOUT_MS: i64 = 5_000;

/// Logs how many rows each statement deletes, and the milliseconds since its transaction began.
const LOG_STEPS: &str = "CREATE TABLE steps (number bigserial, name text, step bigint, deleted bigint, took bigint);
    CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO steps (name, step, deleted, took) SELECT TG_TABLE_NAME, txid_current(), count(*),
            1000 * extract(epoch FROM clock_timestamp() - now()) FROM gone HAVING count(*) > 0;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_step AFTER DELETE ON replay_jobs REFERENCING OLD TABLE AS gone EXECUTE FUNCTION note_step();
    CREATE TRIGGER note_step AFTER DELETE ON replay_job_letters REFERENCING OLD TABLE AS gone EXECUTE FUNCTION note_step();
    CREATE TRIGGER note_step AFTER DELETE ON audit_log REFERENCING OLD TABLE AS gone EXECUTE FUNCTION note_step();
    CREATE TRIGGER note_step AFTER DELETE ON audit_letters REFERENCING OLD TABLE AS gone EXECUTE FUNCTION note_step()";

/// Parents are deleted after their children, which are deleted in bounded steps.
#[tokio::test]
async fn many_children_are_deleted_before_their_parent_in_bounded_steps() {
    let children = children();
    let mut stack = Stack::full(0, &SETTINGS).await;
    let database = stack.database.connection.clone();
    fill(&database, children).await;
    let job = command(&stack, &["replay", "--all"]).await;
    command(&stack, &["jobs", "cancel", job["id"].as_str().unwrap()]).await;
    command(&stack, &["discard", "--all", "--reason", "not needed"]).await;
    foreign_keys_are_found_by_index(&database, children).await;

    database.execute_unprepared(DELETE_OTHERS).await.unwrap();
    age::<replay_job::Entity>(&database, &[replay_job::Column::FinishedAt], 400).await;
    age::<audit_entry::Entity>(&database, &[audit_entry::Column::At], 400).await;
    database.execute_unprepared(LOG_STEPS).await.unwrap();
    stack.start_worker().await;
    until_within(Duration::from_mins(15), "the parents are deleted", || async {
        let jobs = replay_job::Entity::find().count(&database).await.unwrap();
        let entries = audit_entry::Entity::find().count(&database).await.unwrap();
        (jobs + entries == 0).then_some(())
    })
    .await;
    assert_eq!(replay_job_letter::Entity::find().count(&database).await.unwrap(), 0);
    assert_eq!(audit_letter::Entity::find().count(&database).await.unwrap(), 0);
    for (children_table, parents) in [("replay_job_letters", "replay_jobs"), ("audit_letters", "audit_log")] {
        bounded_steps(&database, children_table, parents, children).await;
    }
    assert!(!stack.logged().contains("old rows cannot be deleted"), "{}", stack.logged());
    stack.stop().await;
}

fn children() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a larger measurement is asked for")]
    std::env::var("TEST_CHILDREN").map_or(CHILDREN, |children| children.parse().unwrap())
}

/// Open dead letters, and other jobs and audit entries.
async fn fill(database: &DatabaseConnection, children: i64) {
    let rows = format!(
        "SET LOCAL statement_timeout = 0;
         INSERT INTO dead_letters (id, class, code, message, attempts, first_seen_at, last_seen_at, worker, version, payload)
            SELECT gen_random_uuid(), 'data', '', '', 1, now(), now(), '', '', '' FROM generate_series(1, {children});
         INSERT INTO replay_jobs (id, state, filter, rate_per_second, letters, made_by, made_at, finished_at)
            SELECT gen_random_uuid(), 'finished', '{{}}', 1, 0, 'other', now(), now() FROM generate_series(1, {OTHERS});
         INSERT INTO audit_log (id, at, actor, origin, action, details)
            SELECT gen_random_uuid(), now(), 'other', '', 'discard', '{{}}' FROM generate_series(1, {OTHERS})"
    );
    database.execute_unprepared(&rows).await.unwrap();
}

/// The commit of the commands has looked up the parent of each child, and not read all parents for it.
async fn foreign_keys_are_found_by_index(database: &DatabaseConnection, children: i64) {
    let counts = "SELECT sum(n_tup_ins) FILTER (WHERE relname IN ('replay_job_letters', 'audit_letters'))::bigint,
        sum(seq_tup_read) FILTER (WHERE relname IN ('replay_jobs', 'audit_log'))::bigint FROM pg_stat_user_tables";
    // A session reports its counts when it ends.
    let read = until_within(Duration::from_secs(30), "the commands' sessions have ended", || async {
        let counts = rows(database, counts).await.pop().unwrap();
        (counts[0] >= 2 * children).then_some(counts[1])
    })
    .await;
    assert!(read < 100 * OTHERS, "{read} parents were read for {children} children");
}

/// Asserts the steps of a table of children: as many as a step may delete, then the rest, and then its parents.
async fn bounded_steps(database: &DatabaseConnection, table: &str, parents: &str, children: i64) {
    let first_parent = format!("SELECT min(number) FROM steps WHERE name = '{parents}'");
    let last_child = format!("SELECT max(number) FROM steps WHERE name = '{table}'");
    assert!(rows(database, &last_child).await < rows(database, &first_parent).await, "{parents} go last");
    let steps = format!(
        "SELECT sum(deleted)::bigint, max(took) FROM steps WHERE name = '{table}' GROUP BY step ORDER BY min(number)"
    );
    let steps = rows(database, &steps).await;
    let deleted: Vec<_> = steps.iter().map(|step| step[0]).collect();
    let (rest, full) = deleted.split_last().unwrap();
    assert!(full.iter().all(|deleted| *deleted == MAX_CHILDREN) && *rest <= MAX_CHILDREN, "{deleted:?}");
    assert_eq!(deleted.iter().sum::<i64>(), children, "{deleted:?}");
    let longest = steps.iter().map(|step| step[1]).max().unwrap();
    assert!(longest < STATEMENT_TIMEOUT_MS, "{steps:?}");
}

async fn rows(database: &DatabaseConnection, sql: &str) -> Vec<[i64; 2]> {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all(statement).await.unwrap();
    rows.iter().map(|row| [0_usize, 1].map(|column| row.try_get_by(column).unwrap_or_default())).collect()
}

async fn command(stack: &Stack, arguments: &[&str]) -> Value {
    let arguments: Vec<_> = ["dead-letters"].iter().chain(arguments).chain(&["--json"]).copied().collect();
    serde_json::from_str(&stack.command(&arguments, &[]).await).unwrap()
}
