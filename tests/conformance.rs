//! The specification's example of every endpoint gets the specification's response, on both stacks.

use serde_json::{Value, json};

use crate::harness::{Answer, OTHER_CLINIC, OTHER_TOKEN, Stack, sample};

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    every_example(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq_with_two_workers() {
    let stack = Stack::full(2, &[]).await;
    every_example(&stack).await;
    stack.finish().await;
}

/// Path, body, status, message, and members of `data`.
type Row = (&'static str, Value, u16, &'static str, Value);

fn rows() -> Vec<Row> {
    let with = |path: &str, changes: Value| {
        let mut body = sample(path);
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let newer = json!({ "city": "Pune", "updated_at": "2025-12-11T10:00:00Z" });
    vec![
        (
            "/patient",
            sample("/patient"),
            201,
            "Patient created successfully",
            json!({ "careq_id": 12345, "external_id": "12345", "sync_status": "synced" }),
        ),
        (
            "/patient",
            with("/patient", newer),
            200,
            "Patient updated successfully",
            json!({ "careq_id": 12345, "sync_status": "updated" }),
        ),
        (
            "/doctor",
            sample("/doctor"),
            201,
            "Doctor created successfully",
            json!({ "careq_id": 456, "sync_status": "synced" }),
        ),
        (
            "/service",
            sample("/service"),
            201,
            "Service created successfully",
            json!({ "careq_id": 789, "sync_status": "synced" }),
        ),
        (
            "/appointment",
            sample("/appointment"),
            201,
            "Appointment created successfully",
            json!({ "careq_id": 10001, "confirmation_number": "APPT-2025-10001", "sync_status": "synced" }),
        ),
        (
            "/appointment/cancel",
            sample("/appointment/cancel"),
            200,
            "Appointment cancelled successfully",
            json!({ "careq_id": 10001, "status": "cancelled" }),
        ),
        (
            "/appointment/status",
            sample("/appointment/status"),
            200,
            "Appointment status updated successfully",
            json!({ "careq_id": 10001, "status": "completed" }),
        ),
        (
            "/patient",
            json!({
                "careq_id": 99999, "clinic_id": "clinic_abc", "first_name": "Test", "last_name": "Patient",
                "phone_number": "9999999999", "email": "test@example.com",
            }),
            201,
            "Patient created successfully",
            json!({ "careq_id": 99999, "sync_status": "synced" }),
        ),
    ]
}

async fn every_example(stack: &Stack) {
    for (path, body, status, message, data) in rows() {
        let answer = stack.client.post(path, &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_envelope(&answer, true);
        assert_eq!(answer.body["message"], message, "{path}");
        assert_members(path, &answer.body["data"], &data);
        assert!(uuid::Uuid::parse_str(answer.body["data"]["id"].as_str().unwrap()).is_ok());
        let page =
            stack.client.get(&format!("/events/{}", answer.body["data"]["event_id"].as_str().unwrap())).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert_eq!(page.body["data"]["id"], answer.body["data"]["id"]);
        assert_eq!(page.body["data"]["careq_id"], data["careq_id"]);
    }
    the_example_of_a_validation_error(stack).await;
    the_example_batch(stack).await;
    health(stack).await;
    the_pages_of_records(stack).await;
}

async fn the_example_of_a_validation_error(stack: &Stack) {
    let mut body = sample("/patient");
    body["phone_number"] = json!("12345");
    body["email"] = json!("not an address");
    let answer = stack.client.post("/patient", &body).await;
    assert_eq!(answer.status, 422);
    assert_envelope(&answer, false);
    let details = json!({
        "phone_number": ["Phone number must be 10 digits"],
        "email": ["Email format is invalid"],
    });
    assert_eq!(answer.body["message"], "Validation failed");
    assert_eq!(answer.body["errors"], details);
    assert_eq!(answer.body["error"]["code"], "VALIDATION_ERROR");
    assert_eq!(answer.body["error"]["details"], details);
}

async fn the_example_batch(stack: &Stack) {
    let records: Vec<_> = ["/patient", "/doctor", "/service", "/appointment"]
        .map(|path| {
            let mut data = sample(path);
            data["clinic_id"] = json!(OTHER_CLINIC);
            json!({ "type": path.trim_start_matches('/'), "data": data })
        })
        .into();
    let batch = json!({ "clinic_id": OTHER_CLINIC, "batch_id": "batch_20251210_001", "records": records });
    let other = stack.client.with_token(OTHER_TOKEN);
    let answer = other.post("/batch", &batch).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_envelope(&answer, true);
    assert_eq!(answer.body["message"], "Batch processed successfully");
    let expected =
        json!({ "batch_id": "batch_20251210_001", "total": 4, "successful": 4, "failed": 0, "pending": 0 });
    assert_members("/batch", &answer.body["data"], &expected);
    let results = answer.body["data"]["results"].as_array().unwrap();
    for (result, (kind, careq_id)) in
        results.iter().zip([("patient", 12345), ("doctor", 456), ("service", 789), ("appointment", 10001)])
    {
        let expected = json!({ "type": kind, "careq_id": careq_id, "status": "created" });
        assert_members(kind, result, &expected);
        assert!(uuid::Uuid::parse_str(result["id"].as_str().unwrap()).is_ok());
    }
    let page = other.get("/batch/batch_20251210_001").await;
    assert_eq!((page.status, &page.body["data"]), (200, &answer.body["data"]));
    assert_eq!(stack.client.get("/batch/batch_20251210_001").await.status, 404, "another clinic's batch");
}

async fn health(stack: &Stack) {
    let answer = stack.client.get("/health").await;
    assert_eq!(answer.status, 200);
    let expected = json!({ "success": true, "status": "operational", "version": env!("CARGO_PKG_VERSION") });
    assert_members("/health", &answer.body, &expected);
    assert!(answer.body["timestamp"].is_string());
}

async fn the_pages_of_records(stack: &Stack) {
    for (path, expected) in [
        ("/status/patient/12345", json!({ "sync_status": "synced", "kind": "patient", "careq_id": 12345 })),
        ("/status/doctor/456", json!({ "sync_status": "synced" })),
        ("/status/service/789", json!({ "sync_status": "synced" })),
        (
            "/status/appointment/10001",
            json!({ "status": "completed", "confirmation_number": "APPT-2025-10001" }),
        ),
    ] {
        let page = stack.client.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert_members(path, &page.body["data"], &expected);
    }
    for path in ["/status/patient/1", "/status/nurse/1", "/status/patient/x", "/events/evt_never", "/nothing"]
    {
        let page = stack.client.get(path).await;
        assert_eq!(page.status, 404, "{path}: {}", page.body);
        assert_envelope(&page, false);
    }
}

fn assert_envelope(answer: &Answer, success: bool) {
    assert_eq!(answer.body["success"], success, "{}", answer.body);
    assert!(answer.body["message"].is_string());
    let timestamp = answer.body["timestamp"].as_str().unwrap();
    assert!(timestamp.ends_with('Z') && timestamp.len() == 20, "{timestamp}");
}

fn assert_members(what: &str, actual: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&actual[name], value, "{what}: {name} of {actual}");
    }
}
