//! Dead letters over HTTP: masked, revealed after an audit entry, corrected and replayed, discarded.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{Admin, QUICK, execute, orphan};
use crate::harness::{Stack, appointment, doctor, patient, send, service, until};

#[tokio::test]
async fn one_letter_is_corrected_and_another_discarded() {
    let mut stack = Stack::embedded(&QUICK).await;
    let wrong = orphan(&stack, 7).await;
    let useless = orphan(&stack, 9).await;
    let operator = Admin::new(&mut stack, "operator", "operator").await;
    not_revealed_without_an_audit_entry(&stack, &operator, &wrong).await;
    masked_until_revealed(&operator, &wrong).await;
    corrected_and_replayed(&stack, &operator, &wrong).await;
    discarded(&operator, &useless).await;
    mistaken_filters_are_refused(&operator, &useless).await;
    stack.finish().await;
}

/// A payload is not revealed if the audit entry cannot be written.
async fn not_revealed_without_an_audit_entry(stack: &Stack, operator: &Admin, letter: &str) {
    let refuse = "CREATE TRIGGER mute BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'no'); END";
    execute(stack, refuse).await;
    let why = json!({ "reason": "to call the patient" });
    let answer = operator.post(&format!("/dead-letters/{letter}/reveal"), &why).await;
    assert_eq!((answer.status, answer.body.get("payload")), (500, None), "{}", answer.body);
    execute(stack, "DROP TRIGGER mute").await;
}

async fn masked_until_revealed(operator: &Admin, letter: &str) {
    let path = format!("/dead-letters/{letter}");
    let shown = operator.get(&path).await.body;
    assert_eq!((&shown["class"], &shown["careq_id"]), (&json!("missing_parent"), &json!(7)), "{shown}");
    assert!(!shown.to_string().contains("2025-12-15T14:00:00"), "the payload is masked: {shown}");
    assert_eq!(shown["audit"], json!([]));
    for (body, status) in
        [(json!({}), 422), (json!({ "reason": " " }), 422), (json!({ "reason": "x".repeat(501) }), 422)]
    {
        let refused = operator.post(&format!("{path}/reveal"), &body).await;
        assert_eq!((refused.status, refused.body.get("payload")), (status, None), "{}", refused.body);
    }
    let why = json!({ "reason": "to call the patient" });
    let revealed = operator.post(&format!("{path}/reveal"), &why).await;
    assert_eq!(revealed.headers["cache-control"], "no-store");
    assert_eq!(revealed.body["payload"]["start_datetime"], "2025-12-15T14:00:00Z", "{}", revealed.body);
    let entry = operator.get(&path).await.body["audit"][0].clone();
    assert_eq!(
        (&entry["actor"], &entry["origin"], &entry["action"], &entry["letter_id"]),
        (&json!("operator"), &json!("api"), &json!("reveal"), &json!(letter))
    );
    assert_eq!(entry["details"]["reason"], "to call the patient", "{entry}");
    let again = join_all((0..30).map(async |_| operator.post(&format!("{path}/reveal"), &why).await)).await;
    let shown = again.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(shown, 19, "the limit is twenty a minute, concurrent or sequential");
    for refused in again.iter().filter(|answer| answer.status != 200) {
        assert_eq!((refused.status, refused.body.get("payload")), (429, None), "{}", refused.body);
        assert_eq!(
            (&refused.headers["retry-after"], &refused.body["error"]["code"]),
            (&"60".parse().unwrap(), &json!("RATE_LIMIT_EXCEEDED"))
        );
    }
}

/// The appointment refers to a doctor that does not exist.
async fn corrected_and_replayed(stack: &Stack, operator: &Admin, letter: &str) {
    for (path, body) in [("/patient", patient(8)), ("/doctor", doctor(8)), ("/service", service(8))] {
        assert_eq!(stack.client.post(path, &body).await.status, 201);
    }
    let path = format!("/dead-letters/{letter}/correct");
    let mut body = appointment(7);
    body["status"] = json!("perhaps");
    let refused = operator.post(&path, &json!({ "body": body })).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body["error"]["details"]["status"].is_array(), "{}", refused.body);
    let mut body = appointment(8);
    body["careq_id"] = json!(7);
    let mut foreign = body.clone();
    foreign["clinic_id"] = json!("clinic_xyz");
    assert_eq!(operator.post(&path, &json!({ "body": foreign })).await.status, 422);
    let same = operator.post(&path, &json!({ "body": appointment(7) })).await;
    assert_eq!(same.status, 409, "{}", same.body);

    let corrected = operator.post(&path, &json!({ "body": body })).await;
    assert_eq!(corrected.status, 201, "{}", corrected.body);
    let correction = corrected.body["letter_id"].as_str().unwrap();
    until("the correction went through", || async {
        let shown = operator.get(&format!("/dead-letters/{correction}")).await.body;
        (shown["state"] == "resolved").then_some(())
    })
    .await;
    let original = operator.get(&format!("/dead-letters/{letter}")).await.body;
    assert_eq!(
        (&original["state"], &original["corrections"]),
        (&json!("superseded"), &json!([correction])),
        "{original}"
    );
    assert_eq!(stack.client.get("/status/appointment/7").await.body["data"]["sync_status"], "synced");
    assert_eq!(operator.post(&path, &json!({ "body": body })).await.status, 409, "only once");
}

async fn discarded(operator: &Admin, letter: &str) {
    let discard = |reason: &str| json!({ "filter": { "ids": [letter] }, "reason": reason });
    let silent = operator.post("/dead-letters/discard", &discard(" ")).await;
    assert_eq!(silent.status, 422);
    assert!(silent.body["error"]["details"]["reason"].is_array(), "{}", silent.body);
    let done = operator.post("/dead-letters/discard", &discard("booked by mistake")).await;
    assert_eq!((done.status, &done.body["letters"]), (200, &json!(1)), "{}", done.body);
    assert_eq!(operator.post("/dead-letters/discard", &discard("again")).await.status, 409);
    let shown = operator.get(&format!("/dead-letters/{letter}")).await.body;
    assert_eq!(
        (&shown["state"], &shown["reason"], &shown["audit_id"]),
        (&json!("discarded"), &json!("booked by mistake"), &done.body["audit_id"])
    );
    assert_eq!(operator.get("/dead-letters").await.body["items"], json!([]), "only open ones are listed");
    let reopened = operator.post("/dead-letters/reopen", &discard("it was none")).await;
    assert_eq!((reopened.status, &reopened.body["letters"]), (200, &json!(1)), "{}", reopened.body);
    assert_eq!(operator.post("/dead-letters/reopen", &discard("again")).await.status, 409);
    assert_eq!(operator.post("/dead-letters/discard", &discard("booked by mistake")).await.status, 200);
    assert_eq!(operator.get("/dead-letters/count?state=all").await.body["letters"], 3);
}

/// An empty or misspelt filter is refused, so that a mistake does not select more letters.
async fn mistaken_filters_are_refused(operator: &Admin, letter: &str) {
    for (path, body, status) in [
        ("/replay-jobs", json!({}), 422),
        ("/replay-jobs", json!({ "filter": { "clinic": "clinic_abc" } }), 422),
        ("/replay-jobs", json!({ "filter": { "class": "unheard_of" } }), 422),
        ("/replay-jobs", json!({ "filter": { "class": "data" }, "all": true }), 422),
        ("/replay-jobs", json!({ "filter": { "states": ["resolved"], "class": "data" } }), 422),
        ("/replay-jobs", json!({ "all": true, "rate": 5 }), 422),
        ("/replay-jobs", json!({ "all": true, "rate_per_second": 0 }), 422),
        ("/replay-jobs", json!({ "filter": { "code": "a\u{0}b" } }), 422),
        ("/replay-jobs", json!({ "all": true }), 409),
        ("/dead-letters/discard", json!({ "filter": {}, "reason": "x" }), 422),
        ("/replay-jobs", json!([]), 400),
    ] {
        let answer = operator.post(path, &body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
    }
    for query in [
        "clinic=x",
        "class=x",
        "kind=x",
        "limit=0",
        "limit=501",
        "after=x",
        "since=x",
        "id=x",
        "state=x",
        "code=a%00b",
        "code=",
        "kind=",
        "limit=5&limit=6",
        "limit=05",
        "careq_id=07",
        "careq_id=%2B7",
    ] {
        let answer = operator.get(&format!("/dead-letters?{query}")).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.body);
        assert!(
            answer.body["error"]["details"][query.split('=').next().unwrap()].is_array(),
            "{}",
            answer.body
        );
    }
    for path in ["/dead-letters/count?limit=5", "/replay-jobs/plan?state=open", "/me?limit=5"] {
        assert_eq!(operator.get(path).await.status, 422, "{path}");
    }
    let wrong = "/dead-letters?careq_id=07&kind=x&class=x&state=x&limit=0&clinic=x";
    let details = operator.get(wrong).await.body["error"]["details"].clone();
    let parameters: Vec<_> = details.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(parameters, ["careq_id", "class", "clinic", "kind", "limit", "state"], "{details}");
    let gone = format!("/dead-letters/{}", letter.replace(|digit: char| digit.is_ascii_hexdigit(), "0"));
    assert_eq!(operator.get(&gone).await.status, 404);
    assert_eq!(operator.get("/dead-letters/none").await.status, 404);
    assert_eq!(operator.get("/nowhere").await.status, 404);
    let text = operator.request(Method::POST, "/replay-jobs").header("content-type", "text/plain");
    assert_eq!(send(text.body("{}")).await.status, 400);
    let named =
        operator.post(&format!("/dead-letters/{letter}/correct"), &json!({ "body": "Asha Rao" })).await;
    assert!(named.status == 422 && !named.body.to_string().contains("Asha"), "{}", named.body);
    let large = operator.request(Method::POST, "/replay-jobs").header("content-type", "application/json");
    assert_eq!(send(large.body(vec![b' '; 1_048_577])).await.status, 413);
}
