//! Replays: each letter is applied once even if a worker dies in between, and repeated failures keep their
//! history.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{dead_letter_attempt, event};
use sea_orm::EntityTrait as _;
use serde_json::json;

use super::{QUICK, command, execute, finished, letters, refused};
use crate::harness::{Stack, appointment, doctor, patient, service, until};

const REFUSE: &str = "ALTER TABLE patients ADD CONSTRAINT refused CHECK (careq_id > 1000)";
const REFUSE_SOME: &str = "ALTER TABLE patients DROP CONSTRAINT refused;
                           ALTER TABLE patients ADD CONSTRAINT refused CHECK (careq_id % 10 <> 3 OR careq_id > 1000)";

/// Logs every change of a row of `patients`.
pub(super) const COUNT_WRITES: &str = "CREATE TABLE writes (careq_id bigint NOT NULL);
    CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO writes VALUES (NEW.careq_id); RETURN NEW; END $$;
    CREATE TRIGGER note_write AFTER INSERT OR UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION note_write()";

/// Creates dead letters of patients 1 to `count`.
async fn failed_patients(stack: &Stack, count: i64) {
    execute(stack, REFUSE).await;
    let records: Vec<_> =
        (1..=count).map(|number| json!({ "type": "patient", "data": patient(number) })).collect();
    let batch = json!({ "clinic_id": "clinic_abc", "batch_id": "refused", "records": records });
    let answer = stack.client.post("/batch", &batch).await;
    assert_eq!(answer.body["data"]["failed"], count, "{}", answer.body);
}

#[tokio::test]
async fn a_worker_that_dies_between_publishing_and_marking_replays_nothing_twice() {
    let mut stack = Stack::full(1, &QUICK).await;
    failed_patients(&stack, 40).await;
    stack.stop_workers().await;
    execute(&stack, REFUSE_SOME).await;
    execute(&stack, COUNT_WRITES).await;

    let plan = command(&stack, &["replay", "--class", "data", "--dry-run"]).await;
    assert_eq!(plan, json!({ "dry_run": true, "letters": 40, "undecodable": 0 }));
    let job = command(&stack, &["replay", "--class", "data", "--rate", "100"]).await;
    // The job's first step is published, and the worker died before it was marked.
    let ended = stack.crashing_worker("replayed").ended().await;
    assert!(!ended.success);
    let shown = command(&stack, &["jobs", "show", job["id"].as_str().unwrap()]).await;
    assert_eq!(shown["job"]["progress"]["published"], 0, "{shown}");
    stack.start_worker().await;
    let job = finished(&stack, &job).await;
    assert_eq!(job["progress"]["resolved"], 36, "{job}");
    assert_eq!(job["progress"]["failed"], 4, "{job}");

    assert_eq!(writes(&stack).await, (36, 36), "each patient is written once");
    let letters = letters(&stack).await;
    assert_eq!(letters.len(), 40, "each letter has one row");
    let failures = dead_letter_attempt::Entity::find().all(&stack.database.connection).await.unwrap();
    for letter in letters {
        let failed = failures.iter().filter(|failure| failure.letter_id == letter.id).count();
        let again = letter.careq_id.unwrap() % 10 == 3;
        let expected = if again { (DeadLetterState::Open, 2, 2) } else { (DeadLetterState::Resolved, 1, 1) };
        assert_eq!((letter.state, letter.attempts, failed), expected, "{letter:?}");
    }
    for row in event::Entity::find().all(&stack.database.connection).await.unwrap() {
        let expected = if row.careq_id % 10 == 3 { "failed" } else { "created" };
        assert_eq!(row.outcome, expected);
    }
    stack.finish().await;
}

/// Number of logged changes, and of changed records.
pub(super) async fn writes(stack: &Stack) -> (i64, i64) {
    use sea_orm::{ConnectionTrait as _, Statement};
    let database = &stack.database.connection;
    let sql = "SELECT count(*), count(DISTINCT careq_id) FROM writes";
    let select = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one(select).await.unwrap().unwrap();
    (row.try_get_by(0).unwrap(), row.try_get_by(1).unwrap())
}

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&QUICK).await;
    fails_again_and_is_applied_later(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &QUICK).await;
    fails_again_and_is_applied_later(&stack).await;
    stack.finish().await;
}

/// An appointment without parents is replayed too early and fails again, with its history. After its parents
/// arrive, it is applied automatically.
async fn fails_again_and_is_applied_later(stack: &Stack) {
    let booked = stack.client.post("/appointment", &appointment(7)).await;
    let event_id = &booked.body["event_id"];
    until("the parent deadline has passed", || stack.client.event_is(event_id, "failed")).await;
    let listed = command(stack, &["list"]).await;
    let letter = listed["letters"][0].clone();
    let id = letter["id"].as_str().unwrap();
    let short = id.split('-').next().unwrap();

    let fault = refused(stack, &["replay", short, "--wait"]).await;
    assert!(fault.contains("not every dead letter was resolved"), "{fault}");
    let shown = command(stack, &["show", short]).await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("open"), &json!(2)), "{shown}");
    assert_eq!(shown["failures"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(
        (&shown["jobs"][0]["state"], shown["first_seen_at"] == letter["first_seen_at"]),
        (&json!("failed"), true)
    );

    for (path, body) in [("/patient", patient(7)), ("/doctor", doctor(7)), ("/service", service(7))] {
        stack.client.post(path, &body).await;
    }
    until("the event is stored under its id", || stack.client.event_is(event_id, "synced")).await;
    let shown = command(stack, &["show", id]).await;
    assert_eq!(shown["state"], "resolved", "{shown}");
    let refused_batch = refused_record(stack, 70).await;
    let job = command(stack, &["replay", &refused_batch, "--wait", "--as", "Asha Rao"]).await;
    assert_eq!((&job["state"], &job["progress"]["resolved"]), (&json!("finished"), &json!(1)), "{job}");
    assert_eq!(command(stack, &["list"]).await["count"], 0);
    assert_eq!(command(stack, &["list", "--state", "all"]).await["count"], 2);
    let jobs = command(stack, &["jobs"]).await;
    let makers: Vec<_> = jobs["jobs"].as_array().unwrap().iter().map(|job| job["made_by"].clone()).collect();
    let maker = makers[0].as_str().unwrap();
    assert!(maker.starts_with("Asha Rao, as ") && maker.contains("uid"), "{maker}");
    let fault = refused(stack, &["replay", short, "--as", "Asha\n2025-12-15 root discard"]).await;
    assert!(fault.contains("on one line"), "{fault}");
    assert!(makers[1].as_str().unwrap().contains("uid"), "{makers:?}");

    let fault = refused(stack, &["replay", short]).await;
    assert!(fault.contains("is resolved, and only an open one can be changed"), "{fault}");
    for arguments in [&["replay"][..], &["replay", short, "--all"], &["discard", "--reason", "x"]] {
        let fault = refused(stack, arguments).await;
        assert!(fault.contains("say --all for every open letter"), "{arguments:?}: {fault}");
    }
    assert!(refused(stack, &["show", "ffff0000"]).await.contains("there is no dead letter ffff0000"));
    let fault = refused(stack, &["jobs", "cancel", jobs["jobs"][0]["id"].as_str().unwrap()]).await;
    assert!(fault.contains("is finished already"), "{fault}");
}

/// Creates the letter of a patient in a batch with a reused id.
async fn refused_record(stack: &Stack, number: i64) -> String {
    let batch = |number| {
        let records = [json!({ "type": "patient", "data": patient(number) })];
        json!({ "clinic_id": "clinic_abc", "batch_id": "reused", "records": records })
    };
    assert_eq!(stack.client.post("/batch", &batch(number + 1)).await.status, 200);
    assert_eq!(stack.client.post("/batch", &batch(number)).await.status, 409);
    command(stack, &["list"]).await["letters"][0]["id"].as_str().unwrap().to_owned()
}

/// A pending letter that CareQ sends again is left out of its job. Cancelling a job reopens its letters.
#[tokio::test]
async fn a_paused_job_and_a_cancelled_one() {
    let stack = Stack::full(1, &QUICK).await;
    failed_patients(&stack, 60).await;
    // One minute for all letters, even on a slow machine.
    let job = command(&stack, &["replay", "--all", "--rate", "1"]).await;
    let id = job["id"].as_str().unwrap();
    let paused = command(&stack, &["jobs", "pause", id]).await;
    assert_eq!(paused["state"], "paused");
    assert!(refused(&stack, &["jobs", "pause", id]).await.contains("is paused already"));
    until("no letter is in the queue", || async {
        let shown = command(&stack, &["jobs", "show", id]).await;
        (shown["job"]["progress"]["published"] == 0).then_some(())
    })
    .await;
    let before = command(&stack, &["jobs", "show", id]).await["job"]["progress"].clone();
    assert!(before["pending"].as_u64().unwrap() >= 2, "{before}");
    execute(&stack, "ALTER TABLE patients DROP CONSTRAINT refused").await;
    // The highest numbers are the last of the job.
    assert_eq!(stack.client.post("/patient", &patient(60)).await.status, 201);
    let after = command(&stack, &["jobs", "show", id]).await["job"]["progress"].clone();
    assert_eq!(
        after["resolved"].as_u64().unwrap(),
        before["resolved"].as_u64().unwrap() + 1,
        "{before} {after}"
    );
    let discarded = command(&stack, &["discard", "--careq-id", "59", "--reason", "Asha asked for it"]).await;
    assert_eq!(discarded["letters"], 1);

    let status = || async {
        stack.client.get("/status/patient/58").await.body["data"]["sync_status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status().await, "failed");
    execute(&stack, "UPDATE dead_letters SET state = 'replaying' WHERE careq_id = 58").await;
    assert_eq!(status().await, "queued", "the status is not `failed` during a replay");
    execute(&stack, "UPDATE dead_letters SET state = 'open' WHERE careq_id = 58").await;

    let cancelled = command(&stack, &["jobs", "cancel", id]).await;
    assert_eq!((&cancelled["state"], &cancelled["progress"]["pending"]), (&json!("cancelled"), &json!(0)));
    for letter in letters(&stack).await {
        let expected = match letter.careq_id {
            Some(60) => DeadLetterState::Resolved,
            Some(59) => DeadLetterState::Discarded,
            _ => DeadLetterState::Open,
        };
        assert_eq!(letter.state, expected, "{letter:?}");
    }
    // Another job replays the rest.
    let job = command(&stack, &["replay", "--all", "--wait"]).await;
    assert_eq!((&job["letters"], &job["progress"]["resolved"]), (&json!(58), &json!(58)), "{job}");
    stack.finish().await;
}

/// Records of a refused batch have no row in the ledger. Sent again in another batch, they are new, and their
/// earlier failure is no longer reported.
#[tokio::test]
async fn letters_of_a_refused_batch_follow_its_records() {
    let stack = Stack::full(1, &QUICK).await;
    let batch = |id, number| {
        let records = [json!({ "type": "patient", "data": patient(number) })];
        json!({ "clinic_id": "clinic_abc", "batch_id": id, "records": records })
    };
    stack.client.post("/batch", &batch("one", 1)).await;
    let refused = stack.client.post("/batch", &batch("one", 2)).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(letters(&stack).await[0].state, DeadLetterState::Open);
    let answer = stack.client.post("/batch", &batch("two", 2)).await;
    assert_eq!(answer.body["data"]["failed"], 0, "{}", answer.body);
    until("its letter is resolved", || async {
        (letters(&stack).await[0].state == DeadLetterState::Resolved).then_some(())
    })
    .await;
    stack.finish().await;
}

/// Discarded letters can be reopened, and the history of every letter names the actors.
#[tokio::test]
async fn discarded_and_opened_again() {
    let stack = Stack::full(1, &QUICK).await;
    failed_patients(&stack, 3).await;
    let plan = command(&stack, &["discard", "--class", "data", "--dry-run"]).await;
    assert_eq!(plan, json!({ "dry_run": true, "letters": 3 }));
    assert!(refused(&stack, &["discard", "--class", "data"]).await.contains("--reason"));
    assert_eq!(command(&stack, &["discard", "--class", "data", "--reason", "a mistake"]).await["letters"], 3);
    let id = letters(&stack).await[0].id.to_string();
    let fault = refused(&stack, &["replay", &id]).await;
    assert!(fault.contains("is discarded"), "{fault}");
    let reopened = command(&stack, &["reopen", "--class", "data", "--reason", "they are needed"]).await;
    assert_eq!(reopened["letters"], 3);
    let fault = refused(&stack, &["reopen", "--all", "--reason", "x"]).await;
    assert!(fault.contains("no discarded or superseded dead letter matches"), "{fault}");
    command(&stack, &["discard", &id, "--reason", "once more"]).await;
    let shown = command(&stack, &["show", &id]).await;
    let reasons: Vec<_> =
        shown["audit"].as_array().unwrap().iter().map(|entry| entry["details"]["reason"].clone()).collect();
    assert_eq!(reasons, ["a mistake", "they are needed", "once more"], "{shown}");
    command(&stack, &["reopen", &id, "--reason", "the last time"]).await;
    execute(&stack, "ALTER TABLE patients DROP CONSTRAINT refused").await;
    let job = command(&stack, &["replay", "--all", "--wait"]).await;
    assert_eq!(job["progress"]["resolved"], 3, "{job}");
    stack.finish().await;
}
