//! The newest version wins, separately for details and status; and the histories that the contract names.

use careq_shared::clock;
use careq_shared::entities::appointment as appointment_row;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Stack, appointment, doctor, patient, service};

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    the_named_histories(&stack).await;
    details_and_status(&stack).await;
    a_cancellation_without_a_stamp(&stack).await;
    an_equal_price_in_another_notation(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &[]).await;
    the_named_histories(&stack).await;
    details_and_status(&stack).await;
    a_cancellation_without_a_stamp(&stack).await;
    an_equal_price_in_another_notation(&stack).await;
    stack.finish().await;
}

fn named(careq_id: i64, first_name: &str, updated_at: Option<&str>) -> Value {
    let mut body = patient(careq_id);
    body["first_name"] = json!(first_name);
    body["updated_at"] = json!(updated_at);
    body
}

/// `careq_id`; first name, time stamp and expected code of each event; the first name that must be stored.
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
    // Details that are newer than those stored but older than the cancellation change only the details.
    assert_eq!(client.post("/appointment", &details("second", "2025-01-03T00:00:00Z")).await.status, 200);
    // A stale status gets the stored one as its response.
    let stale = client.post("/appointment/status", &status("confirmed", "2025-01-04T00:00:00Z")).await;
    assert_eq!((stale.status, &stale.body["data"]["status"]), (200, &json!("cancelled")));
    assert_eq!(stale.body["data"]["sync_status"], "unchanged");
    let row = row(stack).await;
    assert_eq!((row.status.as_str(), row.notes.as_deref()), ("cancelled", Some("second")));
    assert_eq!(
        (row.cancellation_reason.as_deref(), row.cancelled_by.as_deref()),
        (Some("ill"), Some("patient"))
    );
    // A newer status clears the columns that it does not contain, and leaves the appointment's notes unchanged.
    let newer = client.post("/appointment/status", &status("rescheduled", "2025-01-06T00:00:00Z")).await;
    assert_eq!((newer.status, newer.body["data"].get("sync_status")), (200, None), "{}", newer.body);
    let row = self::row(stack).await;
    assert_eq!((row.status.as_str(), row.notes.as_deref()), ("rescheduled", Some("second")));
    assert_eq!(
        (row.status_notes.as_deref(), row.cancellation_reason, row.cancelled_at),
        (Some("n"), None, None)
    );
}

/// A cancellation without a time stamp is newer than details accepted before it with a stamp in the future. Its
/// reason stays when the details change.
async fn a_cancellation_without_a_stamp(stack: &Stack) {
    let client = &stack.client;
    let details = |ahead: TimeDelta, status: &str| {
        let mut body = appointment(200);
        body["careq_id"] = json!(201);
        body["status"] = json!(status);
        body["updated_at"] = json!(clock::now() + ahead);
        body
    };
    let ahead = TimeDelta::minutes(330);
    assert_eq!(client.post("/appointment", &details(ahead, "booked")).await.status, 201);
    let cancel = json!({
        "careq_id": 201, "clinic_id": "clinic_abc", "cancellation_reason": "ill", "cancelled_by": "patient",
    });
    let cancelled = client.post("/appointment/cancel", &cancel).await;
    assert_eq!((cancelled.status, &cancelled.body["data"]["status"]), (200, &json!("cancelled")));
    let shown = |row: appointment_row::Model| (row.status, row.cancellation_reason, row.cancelled_by);
    let expected = ("cancelled".to_owned(), Some("ill".to_owned()), Some("patient".to_owned()));
    assert_eq!(shown(row_of(stack, 201).await), expected);
    let moved = client.post("/appointment", &details(ahead + TimeDelta::minutes(1), "cancelled")).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    assert_eq!(shown(row_of(stack, 201).await), expected, "a change of details keeps the cancellation");
    let again = client.post("/appointment", &details(ahead + TimeDelta::minutes(2), "booked")).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(shown(row_of(stack, 201).await), ("booked".to_owned(), None, None));
}

/// An equal price in another notation is `unchanged` on both databases, and stored as it was sent last.
async fn an_equal_price_in_another_notation(stack: &Stack) {
    let service = |price: &str| {
        let body = format!(
            r#"{{"careq_id": 201, "clinic_id": "clinic_abc", "name": "X-ray", "duration": 5, "price": {price}}}"#
        );
        serde_json::from_str::<Value>(&body).unwrap()
    };
    assert_eq!(stack.client.post("/service", &service("500.10")).await.status, 201);
    let again = stack.client.post("/service", &service("500.1")).await;
    assert_eq!(
        (again.status, &again.body["data"]["sync_status"]),
        (200, &json!("unchanged")),
        "{}",
        again.body
    );
    let other = stack.client.post("/service", &service("500.01")).await;
    assert_eq!(other.body["data"]["sync_status"], "updated", "{}", other.body);
}

async fn row(stack: &Stack) -> appointment_row::Model {
    row_of(stack, 200).await
}

async fn row_of(stack: &Stack, number: i64) -> appointment_row::Model {
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
    let found = appointment_row::Entity::find().filter(appointment_row::Column::CareqId.eq(number));
    found.one(&stack.database.connection).await.unwrap().unwrap()
}
