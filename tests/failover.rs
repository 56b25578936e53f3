//! Changes of the database under running processes: terminated sessions, a server that is read-only for a while,
//! an altered table. No event fails because of them, and no process needs a restart.

use std::time::{Duration, Instant};

use careq_shared::entities::{dead_letter, parked_event};
use futures_util::future::join_all;
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _,
    PaginatorTrait as _, TransactionTrait as _,
};
use serde_json::{Value, json};

use crate::admin_api::Admin;
use crate::harness::{
    Backend, FreshDatabase, Stack, appointment, doctor, patient, service, until, until_within,
};

/// Time within which waiting events are stored after a writable server is available.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn processing_continues_after_a_failover() {
    let stack = Stack::full(1, &[("CAREQ_DATABASE_MAX_CONNECTIONS", "2")]).await;
    assert_eq!(stack.client.post("/patient", &patient(1)).await.status, 201);

    let name = stack.database.name().to_owned();
    execute(&stack, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    execute(&stack, END_SESSIONS).await;
    let waiting = later(&stack, 2).await;
    is_met(&stack, "25006").await;
    execute(&stack, &format!("ALTER DATABASE {name} SET default_transaction_read_only = off")).await;
    let began_at = Instant::now();
    until_within(SOON, "the event is stored after the failover", || {
        stack.client.event_is(&waiting, "synced")
    })
    .await;
    println!("stored {:?} after the server could be written to", began_at.elapsed());

    // An operator's mistake, and its correction.
    execute(&stack, "ALTER TABLE patients RENAME TO mislaid").await;
    let waiting = later(&stack, 3).await;
    is_met(&stack, "42P01").await;
    execute(&stack, "ALTER TABLE mislaid RENAME TO patients").await;
    until_within(SOON, "the event is stored after its table is restored", || {
        stack.client.event_is(&waiting, "synced")
    })
    .await;

    no_event_has_failed(&stack).await;
    stack.finish().await;
}

/// sqlx keeps every session that answers for half an hour by default.
#[tokio::test]
async fn a_session_that_cannot_write_is_not_kept() {
    let database = FreshDatabase::new(Backend::Postgres).await;
    let (connection, name) = (&database.connection, database.name());
    let say = |mode: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {mode}");
    connection.execute_unprepared(&say("on")).await.unwrap();
    connection.execute_unprepared(END_SESSIONS).await.ok();
    // Sessions opened while the server was read-only, and returned to the pool.
    drop(sessions(connection).await);
    let writable = format!("SET transaction_read_only = off; {}", say("off"));
    until("the server can be written to", || async { connection.execute_unprepared(&writable).await.ok() })
        .await;
    until_within(SOON, "every session can write", || async {
        let writes = sessions(connection).await.into_iter().map(|session| async move {
            session?.execute_unprepared("UPDATE events SET outcome = outcome WHERE 1 = 0").await
        });
        join_all(writes).await.into_iter().collect::<Result<Vec<_>, _>>().ok()
    })
    .await;
}

/// All sessions of the pool at the same time.
async fn sessions(connection: &DatabaseConnection) -> Vec<Result<DatabaseTransaction, DbErr>> {
    let most = usize::try_from(careq_shared::database::pool(connection).0).unwrap();
    join_all((0..most).map(|_| connection.begin())).await
}

/// Terminates all sessions but its own.
const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_column_may_change_its_type_under_running_processes() {
    let mut stack = Stack::full(1, &[]).await;
    let admin = Admin::new(&mut stack, "reader", "reader").await;
    for (path, body) in [
        ("/patient", patient(1)),
        ("/doctor", doctor(1)),
        ("/service", service(1)),
        ("/appointment", appointment(1)),
    ] {
        assert_eq!(stack.client.post(path, &body).await.status, 201);
    }
    // Every session has prepared the statements before.
    for _ in 0..20 {
        pages(&stack, &admin).await;
    }
    for change in [
        "ALTER TABLE patients ALTER COLUMN notes TYPE varchar(100000)",
        "ALTER TABLE appointments ALTER COLUMN notes TYPE varchar(100000)",
        "ALTER TABLE events ALTER COLUMN error_message TYPE varchar(100000)",
        "ALTER TABLE dead_letters ALTER COLUMN message TYPE varchar(100000)",
    ] {
        execute(&stack, change).await;
    }
    for update in 1..=20 {
        let mut body = patient(1);
        body["notes"] = json!(format!("update {update}"));
        let answer = stack.client.post("/patient", &body).await;
        assert_eq!(answer.status, 200, "{update}: {}", answer.body);
        pages(&stack, &admin).await;
    }
    no_event_has_failed(&stack).await;
    stack.finish().await;
}

async fn pages(stack: &Stack, admin: &Admin) {
    for path in ["/status/patient/1", "/status/appointment/1"] {
        assert_eq!(stack.client.get(path).await.status, 200, "{path}");
    }
    assert_eq!(admin.get("/dead-letters").await.status, 200);
}

async fn later(stack: &Stack, careq_id: i64) -> Value {
    let answer = stack.client.post_with("/patient", &patient(careq_id), &[("Prefer", "respond-async")]).await;
    assert_eq!(answer.status, 202);
    answer.body["data"]["event_id"].clone()
}

/// Waits until a process has logged this database error.
async fn is_met(stack: &Stack, code: &str) {
    let code = format!("error {code}");
    until("the worker has logged the error", || async { stack.logged().contains(&code).then_some(()) }).await;
}

async fn no_event_has_failed(stack: &Stack) {
    let connection = &stack.database.connection;
    assert_eq!(dead_letter::Entity::find().count(connection).await.unwrap(), 0);
    assert_eq!(parked_event::Entity::find().count(connection).await.unwrap(), 0);
}

/// Executes a statement in a transaction that sets itself to read-write.
async fn execute(stack: &Stack, sql: &str) {
    let connection = &stack.database.connection;
    until("the statement is done", || async {
        let writable = format!("SET transaction_read_only = off; {sql}");
        connection.execute_unprepared(&writable).await.ok()
    })
    .await;
}
