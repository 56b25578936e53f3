//! A dead letter of every class, each with its real cause, and its presentation to a person.

use careq_shared::broker::{DELIVERY_LIMIT, Queue};
use careq_shared::dead_letters::Class;
use careq_shared::dead_letters::{self, Age};
use careq_shared::entities::parked_event;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use super::{QUICK, command, execute, letters};
use crate::harness::{CLINIC, Stack, appointment, channel, doctor, opened, patient, service, until};

const FAIL_EVERY_ATTEMPT: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                      $$ BEGIN IF NEW.careq_id = 13 THEN RAISE 'not now'; END IF; RETURN NEW; END $$;
                  CREATE TRIGGER refuse BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION refuse()";

#[tokio::test]
async fn every_class_by_its_cause() {
    let stack = Stack::full(1, &QUICK).await;
    missing_parent(&stack).await;
    hash_taken_in_the_meantime(&stack).await;
    undecodable_bytes(&stack).await;
    refused_by_a_constraint(&stack).await;
    failed_at_every_attempt(&stack).await;
    presentation_to_a_person(&stack).await;
    stack.finish().await;
}

async fn missing_parent(stack: &Stack) {
    let booked = stack.client.post("/appointment", &appointment(7)).await;
    until("the parent deadline has passed", || stack.client.event_is(&booked.body["event_id"], "failed"))
        .await;
}

/// Appointment 11 waits for its patient; in the meantime appointment 10 takes its hash.
async fn hash_taken_in_the_meantime(stack: &Stack) {
    let with_hash = |careq_id: i64| {
        let mut body = appointment(careq_id);
        body["hash"] = json!("one-hash");
        body
    };
    for number in [10, 11] {
        stack.client.post("/doctor", &doctor(number)).await;
        stack.client.post("/service", &service(number)).await;
    }
    stack.client.post("/patient", &patient(10)).await;
    let waits = stack.client.post("/appointment", &with_hash(11)).await;
    assert_eq!(waits.status, 422, "{}", waits.body);
    assert_eq!(stack.client.post("/appointment", &with_hash(10)).await.status, 201);
    stack.client.post("/patient", &patient(11)).await;
    let page =
        until("the conflict is found", || stack.client.event_is(&waits.body["event_id"], "failed")).await;
    assert_eq!(page.body["data"]["error"]["code"], "DUPLICATE_RECORD");
}

/// Bytes published to the queues by hand.
async fn undecodable_bytes(stack: &Stack) {
    let [live, dead] = [Queue::Live, Queue::Dead].map(|queue| stack.queue_of(queue, CLINIC));
    put(&live, b"\xff Asha, by hand").await;
    put(&dead, b"{\"by\": \"hand\"}").await;
    until("both are dead letters", || async {
        let found = letters(stack).await;
        (found.iter().filter(|letter| letter.class == "undecodable").count() == 2).then_some(())
    })
    .await;
    let kept: Vec<_> =
        letters(stack).await.iter().filter(|one| one.class == "undecodable").map(opened).collect();
    assert!(kept.contains(&b"\xff Asha, by hand".to_vec()) && kept.contains(&b"{\"by\": \"hand\"}".to_vec()));
    a_duplicate_is_counted_once(stack, &live).await;
}

/// The same bytes again belong to the same letter and are not counted as a second failure.
async fn a_duplicate_is_counted_once(stack: &Stack, queue: &str) {
    let taken = || stack.metric("careq_sync_batch_messages_sum", &[("queue", "live")]);
    let before = taken().await;
    put(queue, b"\xff Asha, by hand").await;
    until("the duplicate is taken", || async { (taken().await > before).then_some(()) }).await;
    let failures = stack.metric("careq_sync_written_dead_letters_total", &[("class", "undecodable")]).await;
    assert!((failures - 2.0).abs() < 0.5, "{failures}");
}

pub(super) async fn put(queue: &str, bytes: &[u8]) {
    let (_connection, channel) = channel().await;
    #[expect(clippy::disallowed_methods, reason = "a publisher other than careq-sync")]
    let published = channel.basic_publish(
        "".into(),
        queue.into(),
        BasicPublishOptions::default(),
        bytes,
        BasicProperties::default().with_delivery_mode(2),
    );
    published.await.unwrap();
    channel.close(200, "done".into()).await.unwrap();
}

async fn refused_by_a_constraint(stack: &Stack) {
    execute(stack, "ALTER TABLE services ADD CONSTRAINT short CHECK (duration < 100)").await;
    let mut long = service(12);
    long["duration"] = json!(100);
    let failed = stack.client.post("/service", &long).await;
    assert_eq!(
        (failed.status, &failed.body["error"]["code"]),
        (500, &json!("SERVER_ERROR")),
        "{}",
        failed.body
    );
}

/// The event fails at every attempt; the waits between attempts are shortened.
async fn failed_at_every_attempt(stack: &Stack) {
    execute(stack, FAIL_EVERY_ATTEMPT).await;
    let answer = stack.client.post("/patient", &patient(13)).await;
    let event_id = &answer.body["data"]["event_id"];
    until("all attempts have failed", || async {
        execute(stack, "UPDATE parked_events SET due_at = now() WHERE careq_id = 13 AND due_at > now()")
            .await;
        stack.client.event_is(event_id, "failed").await
    })
    .await;
}

async fn presentation_to_a_person(stack: &Stack) {
    let listed = command(stack, &["list"]).await;
    let letters_of_class = |class: &str| -> Vec<Value> {
        let all = listed["letters"].as_array().unwrap();
        all.iter().filter(|letter| letter["class"] == class).cloned().collect()
    };
    assert_eq!(listed["count"], 6, "{listed}");
    let missing = &letters_of_class("missing_parent")[0];
    assert_eq!((&missing["careq_id"], &missing["code"]), (&json!(7), &json!("RECORD_NOT_FOUND")));
    assert!(missing["message"].as_str().unwrap().contains("patient 7"), "{missing}");
    let conflict = &letters_of_class("conflict")[0];
    assert!(conflict["message"].as_str().unwrap().contains("appointment 10"), "{conflict}");
    let data = &letters_of_class("data")[0];
    assert!(data["message"].as_str().unwrap().contains("23514, constraint short of services"), "{data}");
    let exhausted = &letters_of_class("exhausted")[0];
    assert_eq!(exhausted["attempts"], 6, "{exhausted}");
    let shown = command(stack, &["show", exhausted["id"].as_str().unwrap()]).await;
    let failures = shown["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 6, "every attempt is listed: {shown}");
    assert!(failures.iter().all(|failure| failure["worker"].as_str().unwrap().starts_with("worker-")));
    assert!(shown["payload"].as_str().unwrap().contains("text of 4") && !shown.to_string().contains("Asha"));

    // The two undecodable letters share a cause; every other letter has a separate cause.
    let groups = command(stack, &["list", "--group"]).await;
    let groups = groups["groups"].as_array().unwrap();
    assert_eq!(
        (groups.len(), &groups[0]["class"], &groups[0]["letters"]),
        (5, &json!("undecodable"), &json!(2))
    );
    let fingerprint = groups[0]["fingerprint"].as_str().unwrap();
    assert_eq!(command(stack, &["list", "--fingerprint", fingerprint]).await["count"], 2);
    for (filter, count) in [
        (["--class", "data"], 1),
        (["--kind", "appointment"], 2),
        (["--code", "DUPLICATE_RECORD"], 1),
        (["--clinic", "clinic_xyz"], 0),
        (["--since", "1h"], 6),
        (["--until", "1h"], 0),
        (["--state", "discarded"], 0),
        (["--careq-id", "13"], 1),
    ] {
        let found = command(stack, &["list", filter[0], filter[1]]).await;
        assert_eq!(found["count"], count, "{filter:?}: {found}");
    }
    let first = command(stack, &["list", "--limit", "4"]).await;
    let second = command(stack, &["list", "--limit", "4", "--after", first["next"].as_str().unwrap()]).await;
    assert_eq!((second["letters"].as_array().unwrap().len(), &second["next"]), (2, &json!(null)), "{second}");

    let open = dead_letters::open(&stack.database.connection).await.unwrap();
    let counted = |class, age| open.iter().find(|one| one.class == class && one.age == age).unwrap().letters;
    assert_eq!(counted(Class::Undecodable, Age::Hour), 2);
    assert_eq!((counted(Class::Exhausted, Age::Hour), counted(Class::CrashLoop, Age::Hour)), (1, 0));
    assert_eq!(open.iter().map(|one| one.letters).sum::<u64>(), 6);
    execute(stack, "UPDATE dead_letters SET last_seen_at = now() - interval '3 days' WHERE class = 'data'")
        .await;
    let open = dead_letters::open(&stack.database.connection).await.unwrap();
    assert!(
        open.contains(&dead_letters::Open { class: Class::Data, age: Age::Week, letters: 1 }),
        "{open:?}"
    );
}

/// A worker crashes at every delivery until RabbitMQ reaches the delivery limit, and then at every claim. The
/// result is one dead letter that states it.
#[tokio::test]
async fn a_crash_loop_ends_in_one_letter() {
    let mut stack = Stack::full(0, &QUICK).await;
    let sent = stack.client.post_with("/patient", &patient(13), &[("Prefer", "respond-async")]).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    let mut crashes = 0;
    while stack.waiting_in(Queue::Dead).await == 0 {
        crashes += 1;
        assert!(crashes <= 10 * DELIVERY_LIMIT, "RabbitMQ does not reach the delivery limit");
        crash(&stack, "taken").await;
    }
    assert!(crashes > DELIVERY_LIMIT, "each crash is one delivery: {crashes}");
    // The message is then retried from the database, where each attempt is counted before it begins.
    loop {
        execute(&stack, "UPDATE parked_events SET due_at = now()").await;
        crash(&stack, "claimed").await;
        let parked = parked_event::Entity::find().all(&stack.database.connection).await.unwrap();
        assert_eq!(parked.len(), 1);
        if parked[0].attempts > 5 {
            break;
        }
    }
    execute(&stack, "UPDATE parked_events SET due_at = now()").await;
    stack.start_worker().await;
    let event_id = &sent.body["data"]["event_id"];
    until("the event has failed", || stack.client.event_is(event_id, "failed")).await;
    let letters = letters(&stack).await;
    assert_eq!((letters.len(), letters[0].class.as_str()), (1, "crash_loop"));
    assert!(letters[0].message.contains("may bring workers down"), "{}", letters[0].message);
    // The program is corrected: this worker does not crash.
    let id = letters[0].id.to_string();
    let job = command(&stack, &["replay", &id, "--wait"]).await;
    assert_eq!(job["progress"]["resolved"], 1, "{job}");
    stack.client.event_is(event_id, "synced").await.expect("the event is stored");
    stack.finish().await;
}

async fn crash(stack: &Stack, at: &str) {
    let ended = stack.crashing_worker(at).ended().await;
    assert!(!ended.success, "{}", ended.stderr);
    // By its row, the crashed worker would count as running for six seconds more, and keep its partitions.
    execute(stack, "DELETE FROM processes WHERE kind = 'worker'").await;
}
