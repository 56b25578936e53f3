//! Bad input gets a clear error in the specification's form, and nothing is stored.

use std::time::Duration;

use careq_shared::entities::{batch, dead_letter, event, parked_event};
use reqwest::Method;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{CLINIC, Stack, TOKEN, now, patient, send};

#[tokio::test]
async fn bad_requests_are_refused_and_store_nothing() {
    let stack = Stack::embedded(&[("CAREQ_INGRESS_BODY_TIMEOUT_S", "1")]).await;
    bodies(&stack).await;
    fields(&stack).await;
    paths_and_methods(&stack).await;
    batches(&stack).await;
    half_a_body(&stack).await;
    let database = &stack.database.connection;
    assert!(event::Entity::find().all(database).await.unwrap().is_empty());
    assert!(batch::Entity::find().all(database).await.unwrap().is_empty());
    assert!(parked_event::Entity::find().all(database).await.unwrap().is_empty());
    assert!(dead_letter::Entity::find().all(database).await.unwrap().is_empty());
    stack.finish().await;
}

async fn bodies(stack: &Stack) {
    let json = "application/json";
    let valid = patient(1).to_string();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let large = format!("{{\"notes\": \"{}\"}}", "x".repeat(1_100_000));
    let rows: [(&str, Vec<u8>, u16); 11] = [
        (json, b"{".to_vec(), 400),
        (json, b"".to_vec(), 400),
        (json, b"[]".to_vec(), 400),
        (json, b"null".to_vec(), 400),
        (json, b"\xff\xfe".to_vec(), 400),
        (json, deep.into_bytes(), 400),
        (json, large.into_bytes(), 413),
        ("text/plain", valid.clone().into_bytes(), 400),
        ("application/json; charset=latin1", valid.clone().into_bytes(), 400),
        ("application/jsonp", valid.clone().into_bytes(), 400),
        ("", valid.clone().into_bytes(), 400),
    ];
    for (content_type, body, status) in rows {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let request =
            stack.client.request(Method::POST, "/patient").header("content-type", content_type).body(body);
        let answer = send(request).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (status, &json!("INVALID_REQUEST")),
            "{shown}"
        );
        assert_eq!(answer.body["success"], false);
    }
    headers(stack).await;
}

/// A header with a single value that is sent twice is refused, because the two could disagree.
async fn headers(stack: &Stack) {
    let json = ("content-type", "application/json");
    for headers in [
        &[json, ("idempotency-key", "with space")][..],
        &[json, ("idempotency-key", "")],
        &[json, ("idempotency-key", "one"), ("idempotency-key", "two")],
        &[json, ("idempotency-key", "one"), ("idempotency-key", "one")],
        &[json, json],
        &[json, ("content-type", "text/plain")],
        &[("content-type", "text/plain"), json],
    ] {
        let request = stack.client.request(Method::POST, "/patient").body(patient(1).to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = send(request).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (400, &json!("INVALID_REQUEST")),
            "{headers:?}"
        );
    }
}

async fn fields(stack: &Stack) {
    // Endpoint, the change of a valid body, and the fields that the error must name.
    let rows: Vec<(&str, Value, &[&str])> = vec![
        ("/patient", json!({ "careq_id": "1" }), &["careq_id"]),
        ("/patient", json!({ "careq_id": 0 }), &["careq_id"]),
        ("/patient", json!({ "clinic_id": null }), &["clinic_id"]),
        (
            "/patient",
            json!({ "first_name": "", "last_name": 5, "phone_number": "12345678901" }),
            &["first_name", "last_name", "phone_number"],
        ),
        ("/patient", json!({ "first_name": "a\u{0}b" }), &["first_name"]),
        ("/patient", json!({ "last_name": "x".repeat(257) }), &["last_name"]),
        (
            "/patient",
            json!({ "gender": "unknown", "date_of_birth": "1990-02-30" }),
            &["date_of_birth", "gender"],
        ),
        ("/patient", json!({ "updated_at": "2025-12-10T10:00:00" }), &["updated_at"]),
        ("/patient", json!({ "updated_at": "25-12-10T10:00:00Z" }), &["updated_at"]),
        ("/patient", json!({ "updated_at": "2025-1-2T3:4:5Z" }), &["updated_at"]),
        ("/patient", json!({ "created_at": "2025-12-10T10:00:00Z\n" }), &["created_at"]),
        ("/patient", json!({ "updated_at": "9998-12-10T10:00:00Z" }), &["updated_at"]),
        ("/patient", json!({ "updated_at": in_hours(25) }), &["updated_at"]),
        ("/appointment/cancel", json!({ "cancelled_at": in_hours(25) }), &["cancelled_at"]),
        ("/appointment/status", json!({ "updated_at": in_hours(25) }), &["updated_at"]),
        ("/appointment", json!({ "start_datetime": "2025-12-15T13:59:60Z" }), &["start_datetime"]),
        (
            "/patient",
            json!({ "clinic_id": "", "last_name": "", "phone_number": "" }),
            &["clinic_id", "last_name", "phone_number"],
        ),
        ("/patient", json!({ "notes": "अ".repeat(21_846) }), &["notes"]),
        ("/appointment", json!({ "prescription": vec![0; 32_768] }), &["prescription"]),
        (
            "/appointment/cancel",
            json!({ "cancellation_reason": "x".repeat(65_537) }),
            &["cancellation_reason"],
        ),
        ("/appointment", json!({ "end_datetime": "2025-12-15T13:00:00Z" }), &["end_datetime"]),
        ("/appointment", json!({ "status": "maybe", "color": "blue" }), &["color", "status"]),
        ("/service", json!({ "price": "500", "duration": -1 }), &["duration", "price"]),
        ("/appointment/status", json!({ "status": null }), &["status"]),
        ("/appointment/cancel", json!({ "cancelled_at": "yesterday" }), &["cancelled_at"]),
    ];
    for (path, changes, named) in rows {
        let mut body = crate::harness::sample(path);
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let answer = stack.client.post(path, &body).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (422, &json!("VALIDATION_ERROR")),
            "{changes}"
        );
        let fields: Vec<_> = answer.body["errors"].as_object().unwrap().keys().collect();
        assert_eq!(fields, named, "{changes}");
        assert_eq!(answer.body["errors"], answer.body["error"]["details"]);
    }
}

/// An RFC 3339 time this many hours from now.
fn in_hours(hours: i64) -> String {
    chrono::DateTime::from_timestamp(now() + hours * 3_600, 0).unwrap().to_rfc3339()
}

/// Unusual notations that are valid.
#[tokio::test]
async fn unusual_but_valid_notations_are_accepted() {
    let stack = Stack::embedded(&[]).await;
    for content_type in ["application/json; charset=utf8", "Application/JSON; Charset=\"UTF-8\""] {
        let request = stack.client.request(Method::POST, "/patient").header("content-type", content_type);
        let answer = send(request.body(patient(1).to_string())).await;
        assert!(answer.status < 300, "{content_type}: {}", answer.body);
    }
    let mut with_empty_fields = patient(2);
    let fields = [
        "email",
        "gender",
        "date_of_birth",
        "notes",
        "created_at",
        "updated_at",
        "language",
        "custom_field_1",
    ];
    for field in fields {
        with_empty_fields[field] = json!("");
    }
    with_empty_fields["notes"] = json!("अ".repeat(21_845));
    assert_eq!(stack.client.post("/patient", &with_empty_fields).await.status, 201);
    let mut ahead = patient(2);
    ahead["updated_at"] = json!(in_hours(23));
    assert_eq!(stack.client.post("/patient", &ahead).await.status, 200);
    // Each record of a batch is checked by itself.
    let record = |careq_id: i64, updated_at: &str| {
        let mut data = patient(careq_id);
        data["updated_at"] = json!(updated_at);
        json!({ "type": "patient", "data": data })
    };
    let records = [record(3, &in_hours(25)), record(4, &in_hours(23)), record(5, "5-1-2T3:4Z")];
    let batch = json!({ "clinic_id": CLINIC, "batch_id": "stamps", "records": records });
    let answer = stack.client.post("/batch", &batch).await;
    let statuses: Vec<_> = answer.body["data"]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["status"].clone())
        .collect();
    assert_eq!(statuses, ["failed", "created", "failed"], "{}", answer.body);
    stack.finish().await;
}

async fn paths_and_methods(stack: &Stack) {
    for (method, path, status) in [
        (Method::GET, "/patient", 405),
        (Method::DELETE, "/batch", 405),
        (Method::POST, "/health", 405),
        (Method::POST, "/nothing", 404),
        (Method::GET, "/events/%FF", 400),
        (Method::GET, "/batch/x?receipt=a&receipt=b", 400),
        (Method::GET, "/status/patient/+1", 404),
        (Method::GET, "/status/patient/01", 404),
        (Method::GET, "/status/patient/1.0", 404),
    ] {
        let answer = send(stack.client.request(method.clone(), path)).await;
        assert_eq!((answer.status, &answer.body["success"]), (status, &json!(false)), "{method} {path}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{method} {path}");
    }
}

async fn batches(stack: &Stack) {
    let many: Vec<_> = (0..1_001).map(|_| json!({})).collect();
    for (batch, named) in [
        (json!({ "clinic_id": CLINIC }), vec!["batch_id", "records"]),
        (json!({ "clinic_id": CLINIC, "batch_id": "b", "records": [] }), vec!["records"]),
        (json!({ "clinic_id": CLINIC, "batch_id": "b", "records": many }), vec!["records"]),
        (json!({ "batch_id": 5, "records": [{}] }), vec!["batch_id", "clinic_id"]),
    ] {
        let answer = stack.client.post("/batch", &batch).await;
        let fields: Vec<_> = answer.body["errors"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((answer.status, fields), (422, named));
    }
}

/// A client that stops in the middle of a body gets an error; a client that disconnects has no effect.
async fn half_a_body(stack: &Stack) {
    let head = format!(
        "POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"careq_id\":"
    );
    let mut stalled = TcpStream::connect(stack.client.address()).await.unwrap();
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let read =
        tokio::time::timeout(Duration::from_secs(20), stalled.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("was not complete within 1 s"), "{answer}");

    let mut gone = TcpStream::connect(stack.client.address()).await.unwrap();
    gone.write_all(head.as_bytes()).await.unwrap();
    drop(gone);
    assert_eq!(stack.client.get("/health").await.status, 200);
}
