//! Newer wins, details and status each for themselves; and the histories that the contract names.

use serde_json::{Value, json};

use crate::harness::{Stack, appointment, doctor, patient, service};

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    the_named_histories(&stack).await;
    details_and_status(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &[]).await;
    the_named_histories(&stack).await;
    details_and_status(&stack).await;
    stack.finish().await;
}

fn named(careq_id: i64, first_name: &str, updated_at: Option<&str>) -> Value {
    let mut body = patient(careq_id);
    body["first_name"] = json!(first_name);
    body["updated_at"] = json!(updated_at);
    body
}

/// `careq_id`; first name, stamp and expected code of each event; the name that must be left
type History = (i64, Vec<(&'static str, Option<&'static str>, u16)>, &'static str);

async fn the_named_histories(stack: &Stack) {
    let (t1, t2, t3) =
        (Some("2025-01-01T00:00:00Z"), Some("2025-01-02T00:00:00Z"), Some("2025-01-03T00:00:00Z"));
    let histories: [History; 4] = [
        (100, vec![("A", t1, 201), ("B", t2, 200), ("A", t3, 200)], "A"),
        (101, vec![("A", t1, 201), ("B", t2, 200), ("A", t1, 201)], "B"),
        (102, vec![("A", None, 201), ("B", None, 200), ("A", None, 200)], "A"),
        (103, vec![("B", t2, 201), ("A", t1, 200)], "B"),
    ];
    for (careq_id, events, last) in histories {
        for (first_name, updated_at, status) in events {
            let answer = stack.client.post("/patient", &named(careq_id, first_name, updated_at)).await;
            assert_eq!(answer.status, status, "{careq_id} {first_name}: {}", answer.body);
        }
        assert_eq!(first_name(stack, careq_id).await, last, "{careq_id}");
    }
}

async fn first_name(stack: &Stack, number: i64) -> String {
    use careq_shared::entities::patient;
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
    let found = patient::Entity::find().filter(patient::Column::CareqId.eq(number));
    found.one(&stack.database.connection).await.unwrap().unwrap().first_name
}

async fn details_and_status(stack: &Stack) {
    let client = &stack.client;
    client.post("/patient", &patient(200)).await;
    client.post("/doctor", &doctor(200)).await;
    client.post("/service", &service(200)).await;
    let details = |notes: &str, updated_at: &str| {
        let mut body = appointment(200);
        body["notes"] = json!(notes);
        body["updated_at"] = json!(updated_at);
        body
    };
    let status = |status: &str, updated_at: &str| json!({ "careq_id": 200, "clinic_id": "clinic_abc", "status": status, "updated_at": updated_at, "notes": "n" });
    assert_eq!(client.post("/appointment", &details("first", "2025-01-01T00:00:00Z")).await.status, 201);
    let cancel = json!({
        "careq_id": 200, "clinic_id": "clinic_abc", "cancelled_at": "2025-01-05T00:00:00Z",
        "cancellation_reason": "ill", "cancelled_by": "patient",
    });
    assert_eq!(client.post("/appointment/cancel", &cancel).await.status, 200);
    // A newer change of details that is older than the cancellation changes the details alone.
    assert_eq!(client.post("/appointment", &details("second", "2025-01-03T00:00:00Z")).await.status, 200);
    // A stale status says what is stored.
    let stale = client.post("/appointment/status", &status("confirmed", "2025-01-04T00:00:00Z")).await;
    assert_eq!((stale.status, &stale.body["data"]["status"]), (200, &json!("cancelled")));
    assert_eq!(stale.body["data"]["sync_status"], "unchanged");
    let row = row(stack).await;
    assert_eq!((row.status.as_str(), row.notes.as_deref()), ("cancelled", Some("second")));
    assert_eq!(
        (row.cancellation_reason.as_deref(), row.cancelled_by.as_deref()),
        (Some("ill"), Some("patient"))
    );
    // A newer status clears what it does not carry, and leaves the appointment's own notes alone.
    let newer = client.post("/appointment/status", &status("rescheduled", "2025-01-06T00:00:00Z")).await;
    assert_eq!((newer.status, newer.body["data"].get("sync_status")), (200, None), "{}", newer.body);
    let row = self::row(stack).await;
    assert_eq!((row.status.as_str(), row.notes.as_deref()), ("rescheduled", Some("second")));
    assert_eq!(
        (row.status_notes.as_deref(), row.cancellation_reason, row.cancelled_at),
        (Some("n"), None, None)
    );
}

async fn row(stack: &Stack) -> careq_shared::entities::appointment::Model {
    use careq_shared::entities::appointment;
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
    let found = appointment::Entity::find().filter(appointment::Column::CareqId.eq(200));
    found.one(&stack.database.connection).await.unwrap().unwrap()
}
