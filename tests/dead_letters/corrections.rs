//! Correction and replay: the corrected body is validated as at the ingress, linked to its original, and does not
//! overwrite newer data.

use careq_shared::broker::Queue;
use careq_shared::clock;
use careq_shared::dead_letters::{Class, DeadLetterState, id_of};
use careq_shared::entities::{audit_entry, patient as patients};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};

use super::{QUICK, command, letters};
use crate::harness::{CLINIC, Stack, appointment, doctor, patient, sample, service, until};

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&QUICK).await;
    a_wrong_number_is_corrected(&stack).await;
    refused_corrections_change_nothing(&stack).await;
    a_late_correction_undoes_nothing_newer(&stack).await;
    every_kind_can_be_revealed_and_sent(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &QUICK).await;
    a_wrong_number_is_corrected(&stack).await;
    refused_corrections_change_nothing(&stack).await;
    a_late_correction_undoes_nothing_newer(&stack).await;
    a_correction_has_the_age_of_the_latest_delivery(&stack).await;
    undecodable_bytes_are_discarded_or_corrected(&stack).await;
    every_kind_can_be_revealed_and_sent(&stack).await;
    stack.finish().await;
}

/// Output of `show --reveal`.
async fn revealed(stack: &Stack, id: &str) -> Value {
    serde_json::from_str(
        &stack.command(&["dead-letters", "show", id, "--reveal", "--reason", "it is wrong"], &[]).await,
    )
    .unwrap()
}

/// Output of `correct ID --with - --json` for a body.
async fn correct(stack: &Stack, id: &str, body: &Value, more: &[&str]) -> Value {
    let arguments = [&["dead-letters", "correct", id, "--with", "-", "--json"], more].concat();
    serde_json::from_str(&stack.command_with_input(&arguments, &body.to_string()).await).unwrap()
}

/// Creates an open letter of an appointment whose patient has this number and never arrives.
async fn orphan(stack: &Stack, careq_id: i64, patient_careq_id: i64) -> String {
    let mut body = appointment(careq_id);
    body["patient_careq_id"] = json!(patient_careq_id);
    let answer = stack.client.post("/appointment", &body).await;
    until("the parent deadline has passed", || stack.client.event_is(&answer.body["event_id"], "failed"))
        .await;
    let found = command(stack, &["list", "--careq-id", &careq_id.to_string()]).await;
    found["letters"][0]["id"].as_str().unwrap().to_owned()
}

async fn a_wrong_number_is_corrected(stack: &Stack) {
    for (path, body) in [("/patient", patient(7)), ("/doctor", doctor(7)), ("/service", service(7))] {
        stack.client.post(path, &body).await;
    }
    let id = orphan(stack, 7, 8).await;
    let mut body = revealed(stack, &id).await;
    assert_eq!(body["patient_careq_id"], 8);
    body["patient_careq_id"] = json!(7);
    let job = correct(stack, &id, &body, &["--wait", "--as", "Meera"]).await;
    assert_eq!(job["progress"]["resolved"], 1, "{job}");
    assert_eq!(stack.client.get("/status/appointment/7").await.body["data"]["sync_status"], "synced");

    let original = command(stack, &["show", &id]).await;
    assert_eq!(original["state"], "superseded", "{original}");
    let correction = command(stack, &["show", original["corrections"][0].as_str().unwrap()]).await;
    assert_eq!((&correction["state"], &correction["original_id"]), (&json!("resolved"), &json!(id)));
    assert_eq!(
        correction["first_seen_at"], original["first_seen_at"],
        "it has the original's first failure time"
    );
    let deeds: Vec<_> =
        original["audit"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(deeds, ["reveal", "correct"]);
    assert!(original["audit"][1]["actor"].as_str().unwrap().starts_with("Meera, as "), "{original}");
    // The corrected body sent by CareQ is a duplicate.
    let copy = stack.client.post("/appointment", &body).await;
    assert!(copy.status < 300, "{}", copy.body);
    assert_eq!(command(stack, &["list"]).await["count"], 0);
}

async fn refused_corrections_change_nothing(stack: &Stack) {
    let id = orphan(stack, 20, 8).await;
    let good = revealed(stack, &id).await;
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, kind, expected) in [
        (with("end_datetime", json!("2025-12-15T14:30:00")), None, "End datetime"),
        (with("start_datetime", json!("25-12-15T14:00:00Z")), None, "Start datetime"),
        (with("updated_at", json!("2525-12-15T14:00:00Z")), None, "86400 seconds in the future"),
        (with("notes", json!("x".repeat(65_537))), None, "65536 bytes"),
        (
            with("notes", json!("x".repeat(1_048_577))),
            None,
            "larger than the 1048576 bytes of ingress.max_body_bytes",
        ),
        (with("clinic_id", json!("clinic_xyz")), None, "must name the clinic clinic_abc"),
        (good.clone(), Some("patient"), "is of the kind appointment"),
        (good.clone(), None, "says what the letter says already"),
        (json!([]), None, "must be a JSON object"),
    ] {
        let mut arguments = vec!["dead-letters", "correct", &id, "--with", "-"];
        arguments.extend(kind.iter().flat_map(|kind| ["--kind", kind]));
        let error = stack.failing_command_with_input(&arguments, &body.to_string()).await;
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("Asha"), "{error}");
    }
    let shown = command(stack, &["show", &id]).await;
    assert_eq!((&shown["state"], &shown["corrections"]), (&json!("open"), &json!([])), "{shown}");
    // A correction can fail too, and can be corrected.
    let job = correct(stack, &id, &with("patient_careq_id", json!(9)), &[]).await;
    let second = job["letter_id"].as_str().unwrap().to_owned();
    until("the correction has failed", || async {
        let shown = command(stack, &["show", &second]).await;
        (shown["state"] == "open" && shown["class"] == "missing_parent").then_some(())
    })
    .await;
    let mut right = good.clone();
    for parent in ["patient_careq_id", "doctor_careq_id", "service_careq_id"] {
        right[parent] = json!(7);
    }
    let job = correct(stack, &second, &right, &["--wait"]).await;
    assert_eq!(job["progress"]["resolved"], 1, "{job}");
}

/// The letter and its correction are older than a version that CareQ sent later.
async fn a_late_correction_undoes_nothing_newer(stack: &Stack) {
    let key = [("Idempotency-Key", "used-twice")];
    assert_eq!(stack.client.post_with("/patient", &patient(30), &key).await.status, 201);
    let mut other = patient(31);
    other["first_name"] = json!("Meera");
    assert_eq!(stack.client.post_with("/patient", &other, &key).await.status, 409);
    let mut newer = patient(31);
    newer["first_name"] = json!("Asha");
    newer["notes"] = json!("sent later");
    assert_eq!(stack.client.post("/patient", &newer).await.status, 201);

    let found = command(stack, &["list", "--careq-id", "31"]).await;
    let id = found["letters"][0]["id"].as_str().unwrap().to_owned();
    let mut corrected = revealed(stack, &id).await;
    corrected["notes"] = json!("corrected late");
    let job = correct(stack, &id, &corrected, &["--wait"]).await;
    assert_eq!(job["progress"]["resolved"], 1, "{job}");
    let stored = patients::Entity::find().filter(patients::Column::CareqId.eq(31));
    let stored = stored.one(&stack.database.connection).await.unwrap().unwrap();
    assert_eq!(stored.notes.as_deref(), Some("sent later"), "the newer version stays");
}

/// A, B, A without time stamps ends in A, also after its correction.
async fn a_correction_has_the_age_of_the_latest_delivery(stack: &Stack) {
    super::execute(stack, "ALTER TABLE patients ADD CONSTRAINT refused CHECK (notes <> 'A')").await;
    let noted = |notes| {
        let mut body = patient(60);
        body["notes"] = json!(notes);
        body.as_object_mut().unwrap().remove("updated_at");
        body
    };
    assert_eq!(stack.client.post("/patient", &noted("A")).await.status, 500);
    assert_eq!(stack.client.post("/patient", &noted("B")).await.status, 201);
    assert_eq!(stack.client.post("/patient", &noted("A")).await.status, 500);
    let found = command(stack, &["list", "--careq-id", "60"]).await;
    assert_eq!((&found["count"], &found["letters"][0]["attempts"]), (&json!(1), &json!(2)), "{found}");
    let job =
        correct(stack, found["letters"][0]["id"].as_str().unwrap(), &noted("corrected"), &["--wait"]).await;
    assert_eq!(job["progress"]["resolved"], 1, "{job}");
    let stored = patients::Entity::find().filter(patients::Column::CareqId.eq(60));
    let stored = stored.one(&stack.database.connection).await.unwrap().unwrap();
    assert_eq!(stored.notes.as_deref(), Some("corrected"));
}

/// Undecodable bytes can be discarded or replaced by a corrected body with its kind.
async fn undecodable_bytes_are_discarded_or_corrected(stack: &Stack) {
    let id = id_of(b"not an event").to_string();
    super::classes::put(&stack.queue_of(Queue::Bulk, CLINIC), b"not an event").await;
    until("it is a dead letter", || async {
        letters(stack).await.iter().any(|letter| letter.id.to_string() == id).then_some(())
    })
    .await;
    assert_eq!(
        stack.command(&["dead-letters", "show", &id, "--reveal", "--reason", "it is wrong"], &[]).await,
        "not an event"
    );
    let refused = stack.failing_command(&["dead-letters", "replay", &id, "--wait"], &[]).await;
    assert!(refused.contains("not every dead letter was resolved"), "{refused}");
    let shown = command(stack, &["show", &id]).await;
    assert_eq!((&shown["state"], &shown["jobs"][0]["state"]), (&json!("open"), &json!("skipped")), "{shown}");
    assert!(shown["jobs"][0]["note"].as_str().unwrap().contains("correct or discard it"), "{shown}");
    let arguments = ["dead-letters", "correct", &id, "--with", "-"];
    let refused = stack.failing_command_with_input(&arguments, &patient(40).to_string()).await;
    assert!(refused.contains("say it with --kind"), "{refused}");
    let job = correct(stack, &id, &patient(40), &["--kind", "patient", "--wait"]).await;
    assert_eq!(job["progress"]["resolved"], 1, "{job}");
    let corrected = letters(stack).await.into_iter().find(|letter| letter.careq_id == Some(40)).unwrap();
    assert_eq!(
        (corrected.state, corrected.class.as_str()),
        (DeadLetterState::Resolved, Class::Correction.as_str())
    );
}

/// A revealed payload is a body as CareQ sends it, for each kind. Revealing is recorded in the audit log.
async fn every_kind_can_be_revealed_and_sent(stack: &Stack) {
    let key = [("Idempotency-Key", "used-by-all")];
    assert_eq!(stack.client.post_with("/patient", &patient(50), &key).await.status, 201);
    let began = clock::now();
    for path in
        ["/patient", "/doctor", "/service", "/appointment", "/appointment/status", "/appointment/cancel"]
    {
        let sent = sample(path);
        assert_eq!(stack.client.post_with(path, &sent, &key).await.status, 409, "{path}");
        let found = command(stack, &["list", "--limit", "1"]).await;
        let id = found["letters"][0]["id"].as_str().unwrap().to_owned();
        let body = revealed(stack, &id).await;
        for (field, value) in sent.as_object().unwrap() {
            let same_moment = field.ends_with("_at") || field.ends_with("datetime");
            let shown = body.get(field).unwrap_or(&Value::Null);
            assert!(same_moment || shown == value, "{path}: {field}");
        }
        // The same body with another key is another event.
        let job = correct(stack, &id, &body, &["--wait"]).await;
        assert_eq!(job["progress"]["resolved"], 1, "{path}: {job}");
    }
    let reveals = audit_entry::Entity::find()
        .filter(audit_entry::Column::Action.eq("reveal"))
        .filter(audit_entry::Column::At.gt(began))
        .order_by_asc(audit_entry::Column::At)
        .all(&stack.database.connection)
        .await
        .unwrap();
    assert_eq!(reveals.len(), 6);
    assert!(reveals.iter().all(|entry| entry.letter_id.is_some() && !entry.details.contains("John")));
}
