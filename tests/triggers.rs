//! Functions of a hospital in the product's tables, such as triggers. Their errors, and their effects on the
//! session, affect only the event of their row. Its neighbours are stored, and it is retried until it is a dead
//! letter.

use std::time::Duration;

use careq_shared::entities::{dead_letter, parked_event, patient};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
};

use crate::harness::{Stack, patient as body, until, until_within};

/// Number of valid patients before and after the failing ones.
const VALID: i64 = 60;

/// `careq_id` of the first failing patient; each fails with a different error.
const FAILING: i64 = 1_000;

/// Time within which a valid event is stored.
const SOON: Duration = Duration::from_mins(1);

/// Errors of every class. A trigger can raise any error code, also one that means that the server is unavailable.
const CODES: [&str; 26] = [
    "45000", "P0001", "40001", "40P01", "08006", "53100", "53200", "57P01", "57014", "25006", "25P03",
    "42501", "42P01", "0A000", "XX000", "XX001", "HV000", "26000", "42P05", "55P03", "55000", "58030",
    "3D000", "28000", "F0000", "99001",
];

const TRIGGER: &str = "CREATE TABLE guilty (careq_id bigint PRIMARY KEY, does text NOT NULL);
    CREATE FUNCTION foreign_rule() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE does text;
    BEGIN
        SELECT guilty.does INTO does FROM guilty WHERE careq_id = NEW.careq_id;
        IF does = 'sleep' THEN PERFORM pg_sleep(300);
        ELSIF does = 'end' THEN PERFORM pg_terminate_backend(pg_backend_pid());
        ELSIF does = 'exhaust' THEN PERFORM array_fill(0, ARRAY[400000000]);
        ELSIF does IS NOT NULL THEN RAISE 'not this one' USING ERRCODE = does; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER foreign_rule BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION foreign_rule()";

#[tokio::test]
async fn an_error_raised_by_a_trigger_affects_only_its_event() {
    only_failing_events_are_affected(&CODES).await;
}

#[tokio::test]
async fn a_trigger_that_ends_its_session_affects_only_its_event() {
    only_failing_events_are_affected(&["end", "exhaust"]).await;
}

#[tokio::test]
async fn a_trigger_that_does_not_end_affects_only_its_event() {
    only_failing_events_are_affected(&["sleep"]).await;
}

async fn only_failing_events_are_affected(does: &[&str]) {
    let mut stack =
        Stack::full(0, &[("CAREQ_WORKER_SWEEP_INTERVAL_S", "1"), ("CAREQ_WORKER_CONCURRENCY", "1")]).await;
    stack.database.connection.execute_unprepared(TRIGGER).await.unwrap();
    let asynchronously = [("Prefer", "respond-async")];
    for careq_id in 1..=VALID / 2 {
        stack.client.post_with("/patient", &body(careq_id), &asynchronously).await;
    }
    for (careq_id, does) in (FAILING..).zip(does) {
        let failing = format!("INSERT INTO guilty VALUES ({careq_id}, '{does}')");
        stack.database.connection.execute_unprepared(&failing).await.unwrap();
        stack.client.post_with("/patient", &body(careq_id), &asynchronously).await;
    }
    for careq_id in VALID / 2 + 1..=VALID {
        stack.client.post_with("/patient", &body(careq_id), &asynchronously).await;
    }

    stack.start_worker().await;
    let connection = &stack.database.connection;
    until_within(SOON, "every valid patient is stored", || async {
        let stored =
            patient::Entity::find().filter(patient::Column::CareqId.lt(FAILING)).count(connection).await;
        (stored.unwrap() == VALID.unsigned_abs()).then_some(())
    })
    .await;
    until_within(SOON, "every failing event waits for another attempt", || async {
        (parked_event::Entity::find().count(connection).await.unwrap() == does.len() as u64).then_some(())
    })
    .await;
    assert_eq!(dead_letter::Entity::find().count(connection).await.unwrap(), 0, "each gets its attempts");

    until_within(SOON, "every failing event is a dead letter", || async {
        // The last attempt is due at once.
        let last =
            "UPDATE parked_events SET attempts = 5, due_at = now() WHERE attempts <= 5 AND due_at > now()";
        connection.execute_unprepared(last).await.unwrap();
        (parked_event::Entity::find().count(connection).await.unwrap() == 0).then_some(())
    })
    .await;
    let letters = dead_letter::Entity::find().all(connection).await.unwrap();
    let classes: Vec<_> = letters.iter().map(|letter| (letter.careq_id, letter.class.as_str())).collect();
    assert_eq!(letters.len(), does.len(), "{classes:?}");
    for letter in &letters {
        assert_eq!(letter.class, "exhausted", "{:?}: {}", letter.careq_id, letter.message);
    }
    until("no transaction is being repeated", || async {
        (stack.metric("careq_sync_repeated_transaction_age_seconds", &[]).await == 0.0).then_some(())
    })
    .await;
    stack.finish().await;
}
