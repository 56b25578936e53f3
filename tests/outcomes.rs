//! Rows of the outcome table that the specification's examples do not cover: repeated requests, keys and hashes of
//! other records, another clinic, and refusals.

use serde_json::json;

use crate::harness::{CLINIC, OTHER_TOKEN, Stack, appointment, doctor, patient, service};

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    every_row(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &[]).await;
    every_row(&stack).await;
    stack.finish().await;
}

async fn every_row(stack: &Stack) {
    the_same_request_again(stack).await;
    the_same_content_under_another_key(stack).await;
    a_key_reused_with_other_content(stack).await;
    a_hash_that_belongs_to_another(stack).await;
    a_batch_with_good_and_bad_records(stack).await;
    a_batch_id_reused_with_other_content(stack).await;
    a_batch_sent_again_changes_nothing(stack).await;
    another_clinic(stack).await;
    preferences(stack).await;
    a_price_keeps_its_digits(stack).await;
}

async fn the_same_request_again(stack: &Stack) {
    let first = stack.client.post("/patient", &patient(1)).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert!(first.headers.get("idempotent-replayed").is_none());
    for _ in 0..2 {
        let again = stack.client.post("/patient", &patient(1)).await;
        assert_eq!((again.status, &again.body["data"]), (201, &first.body["data"]));
        assert_eq!(again.headers["idempotent-replayed"], "true");
    }
}

async fn the_same_content_under_another_key(stack: &Stack) {
    let again = stack.client.post_with("/patient", &patient(1), &[("Idempotency-Key", "second")]).await;
    assert_eq!(
        (again.status, &again.body["data"]["sync_status"]),
        (200, &json!("unchanged")),
        "{}",
        again.body
    );
}

async fn a_key_reused_with_other_content(stack: &Stack) {
    let key = [("Idempotency-Key", "one-key")];
    let first = stack.client.post_with("/patient", &patient(2), &key).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let mut other = patient(2);
    other["first_name"] = json!("Meera");
    let reused = stack.client.post_with("/patient", &other, &key).await;
    assert_eq!(
        (reused.status, &reused.body["error"]["code"]),
        (409, &json!("DUPLICATE_RECORD")),
        "{}",
        reused.body
    );
    let page = stack.client.event_is(&reused.body["event_id"], "failed").await.expect("its own page");
    assert_eq!(page.body["data"]["error"]["code"], "DUPLICATE_RECORD");
    stack.client.event_is(&first.body["data"]["event_id"], "synced").await.expect("the first is untouched");
    // The same key of another clinic is another key.
    let mut foreign = patient(2);
    foreign["clinic_id"] = json!("clinic_xyz");
    let other_clinic = stack.client.with_token(OTHER_TOKEN).post_with("/patient", &foreign, &key).await;
    assert_eq!(other_clinic.status, 201, "{}", other_clinic.body);
}

async fn a_hash_that_belongs_to_another(stack: &Stack) {
    for number in [10, 11] {
        stack.client.post("/patient", &patient(number)).await;
        stack.client.post("/doctor", &doctor(number)).await;
        stack.client.post("/service", &service(number)).await;
    }
    let with_hash = |careq_id: i64, hash: &str| {
        let mut body = appointment(careq_id);
        body["hash"] = json!(hash);
        body
    };
    assert_eq!(stack.client.post("/appointment", &with_hash(10, "h1")).await.status, 201);
    let taken = stack.client.post("/appointment", &with_hash(11, "h1")).await;
    assert_eq!(
        (taken.status, &taken.body["error"]["code"]),
        (409, &json!("DUPLICATE_RECORD")),
        "{}",
        taken.body
    );
    assert_eq!(stack.client.get("/status/appointment/11").await.body["data"]["sync_status"], "failed");
    // The hash is free after the first record gives it up.
    assert_eq!(stack.client.post("/appointment", &with_hash(10, "h2")).await.status, 200);
    assert_eq!(stack.client.post("/appointment", &with_hash(11, "h1")).await.status, 201);
}

async fn a_batch_with_good_and_bad_records(stack: &Stack) {
    let mut foreign = patient(22);
    foreign["clinic_id"] = json!("clinic_xyz");
    let batch = json!({ "clinic_id": CLINIC, "batch_id": "mixed / batch", "records": [
        { "type": "appointment", "data": appointment(20) },
        { "type": "patient", "data": { "careq_id": 21, "clinic_id": CLINIC } },
        { "type": "patient", "data": foreign },
        { "type": "nurse", "data": {} },
        { "type": "patient", "data": patient(20) },
        { "type": "doctor", "data": doctor(20) },
        { "type": "appointment", "data": appointment(29) },
        { "type": "service", "data": service(20) },
    ]});
    let answer = stack.client.post("/batch", &batch).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let data = &answer.body["data"];
    assert_eq!((&data["total"], &data["successful"]), (&json!(8), &json!(4)), "{data}");
    assert_eq!((&data["failed"], &data["pending"]), (&json!(3), &json!(1)), "{data}");
    let statuses: Vec<_> =
        data["results"].as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(
        statuses,
        ["created", "failed", "failed", "failed", "created", "created", "pending", "created"]
    );
    assert_eq!(data["results"][1]["error"]["details"]["first_name"], json!(["First name is required"]));
    assert_eq!(data["results"][2]["error"]["code"], "AUTHENTICATION_FAILED");
    assert_eq!(data["results"][3]["error"]["code"], "VALIDATION_ERROR");
    let again = stack.client.post("/batch", &batch).await;
    assert_eq!((again.status, &again.body["data"]), (200, data));
    let page = stack.client.get("/batch/mixed%20%2F%20batch").await;
    assert_eq!((page.status, &page.body["data"]), (200, data), "{}", page.body);
}

async fn a_batch_id_reused_with_other_content(stack: &Stack) {
    let batch = |careq_id: i64| {
        json!({ "clinic_id": CLINIC, "batch_id": "reused", "records": [
            { "type": "patient", "data": patient(careq_id) },
        ]})
    };
    assert_eq!(stack.client.post("/batch", &batch(30)).await.status, 200);
    let reused = stack.client.post("/batch", &batch(31)).await;
    assert_eq!(
        (reused.status, &reused.body["error"]["code"]),
        (409, &json!("DUPLICATE_RECORD")),
        "{}",
        reused.body
    );
    let page = stack.client.get("/status/patient/31").await;
    assert_eq!(page.body["data"]["sync_status"], "failed", "no record was applied, and the letters show it");
}

/// A repeated batch does not overwrite later changes, although its records have no time stamps.
async fn a_batch_sent_again_changes_nothing(stack: &Stack) {
    use careq_shared::entities::patient::{Column, Entity};
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
    let batch = json!({ "clinic_id": CLINIC, "batch_id": "again", "records": [
        { "type": "patient", "data": patient(35) },
    ]});
    let first = stack.client.post("/batch", &batch).await;
    let mut changed = patient(35);
    changed["first_name"] = json!("Meera");
    assert_eq!(stack.client.post("/patient", &changed).await.status, 200);
    let again = stack.client.post("/batch", &batch).await;
    assert_eq!((again.status, &again.body["data"]), (200, &first.body["data"]), "{}", again.body);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let stored = Entity::find().filter(Column::CareqId.eq(35)).one(&stack.database.connection).await.unwrap();
    assert_eq!(stored.unwrap().first_name, "Meera");
}

async fn another_clinic(stack: &Stack) {
    let other = stack.client.with_token(OTHER_TOKEN);
    let foreign = other.post("/patient", &patient(40)).await;
    assert_eq!((foreign.status, &foreign.body["error"]["code"]), (401, &json!("AUTHENTICATION_FAILED")));
    let mine = stack.client.post("/patient", &patient(40)).await;
    let event_id = mine.body["data"]["event_id"].as_str().unwrap();
    assert_eq!(other.get(&format!("/events/{event_id}")).await.status, 404, "another clinic's event");
    assert_eq!(other.get("/status/patient/40").await.status, 404, "another clinic's record");
    for token in ["", "wrong", "a-token-of-clinic-abc-with-more-than-32-characterz"] {
        let refused = stack.client.with_token(token).get("/health").await;
        assert_eq!((refused.status, &refused.body["error"]["code"]), (401, &json!("AUTHENTICATION_FAILED")));
    }
}

async fn preferences(stack: &Stack) {
    let queued = stack.client.post_with("/patient", &patient(50), &[("Prefer", "respond-async")]).await;
    assert_eq!(
        (queued.status, &queued.body["data"]["sync_status"]),
        (202, &json!("queued")),
        "{}",
        queued.body
    );
    assert_eq!(queued.headers["preference-applied"], "respond-async");
    let status_url = queued.body["data"]["status_url"].as_str().unwrap().to_owned();
    let stored = || async {
        let page = stack.client.get(&status_url).await;
        (page.body["data"]["sync_status"] == "synced").then_some(page)
    };
    crate::harness::until("the queued event is stored", stored).await;
    let waited = stack.client.post_with("/patient", &patient(51), &[("Prefer", "wait=20")]).await;
    assert_eq!(waited.status, 201, "{}", waited.body);
    assert_eq!(waited.headers["preference-applied"], "wait=20");
}

async fn a_price_keeps_its_digits(stack: &Stack) {
    use careq_shared::entities::{StoredPrice, service};
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
    for (careq_id, price) in [(60, "500.10"), (61, "123456789012345678"), (62, "99999999999999.9999")] {
        let body = format!(
            r#"{{"careq_id": {careq_id}, "clinic_id": "{CLINIC}", "name": "X-ray", "duration": 5, "price": {price}}}"#
        );
        let answer = stack.client.post("/service", &serde_json::from_str(&body).unwrap()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let row = service::Entity::find()
            .filter(service::Column::CareqId.eq(careq_id))
            .one(&stack.database.connection)
            .await
            .unwrap()
            .unwrap();
        let stored = match row.price.unwrap() {
            StoredPrice::Numeric(amount) => amount.to_string(),
            StoredPrice::Text(text) => text,
        };
        assert_eq!(stored, price);
    }
}
