//! The report of a batch (API specification, section 7): one result a record, in the order sent. `total` must always be
//! `successful + failed + pending`.

use std::collections::HashMap;

use axum::http::StatusCode;
use axum::response::Response;
use careq_shared::clinics::Clinic;
use careq_shared::ids;
use careq_shared::message::{ListedEntry, ListedEvent, RefusedEntry};
use careq_shared::outcome::{self, ErrorCode, EventResult, Outcome};
use serde_json::{Map, Value, json};

use crate::answer::{self, success};
use crate::ingress::API;

/// About how many bytes a listing and its report take.
pub(crate) fn cost(listing: &[ListedEntry]) -> usize {
    let of_entry = |entry: &ListedEntry| match entry {
        ListedEntry::Accepted(_) => 1_024,
        ListedEntry::Refused(refused) => {
            let messages = refused.details.values().flatten();
            1_024 + messages.map(|message| 512 + 4 * message.len()).sum::<usize>()
        }
    };
    listing.iter().map(of_entry).sum()
}

/// The report when the worker has sent the results, in the order of the accepted records.
pub(crate) fn of_results(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    results: Vec<EventResult>,
) -> Response {
    let is_repeated = !results.is_empty() && results.iter().all(|result| result.replayed);
    let mut results = results.into_iter();
    let response = report(clinic_id, batch_id, listing, |_| results.next());
    if is_repeated { answer::with_header(response, "idempotent-replayed", "true") } else { response }
}

/// The report by what is known, by position, for the batch's page.
pub(crate) fn of_known(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    known: &HashMap<usize, EventResult>,
) -> Response {
    report(clinic_id, batch_id, listing, |position| known.get(&position).cloned())
}

/// 202: the batch is ours, its results are not known yet.
pub(crate) fn queued(clinic: &Clinic, batch_id: &str, receipt: &str, listing: &[ListedEntry]) -> Response {
    let mut data = data(&clinic.clinic_id, batch_id, listing, |_| None);
    data.extend(standing(batch_id, receipt, "queued"));
    success(StatusCode::ACCEPTED, "Batch accepted; its report will be at status_url", data)
}

/// The page of a batch that no worker has seen yet.
pub(crate) fn queued_page(batch_id: &str, receipt: &str) -> Response {
    success(StatusCode::OK, "Batch is queued", standing(batch_id, receipt, "queued"))
}

/// The page of a batch whose `batch_id` belongs to another one: its records are dead letters, or will be.
pub(crate) fn refused_page(batch_id: &str, receipt: &str) -> Response {
    let mut data = standing(batch_id, receipt, "failed");
    let error =
        json!({ "code": ErrorCode::DuplicateRecord, "message": outcome::BATCH_ID_REUSED, "details": {} });
    data.insert("error".to_owned(), error);
    success(StatusCode::OK, "Batch was refused; none of its records were applied", data)
}

fn standing(batch_id: &str, receipt: &str, sync_status: &str) -> Map<String, Value> {
    let status_url = format!("{API}/batch/{}?receipt={receipt}", path_segment(batch_id));
    Map::from_iter([
        ("batch_id".to_owned(), json!(batch_id)),
        ("sync_status".to_owned(), json!(sync_status)),
        ("status_url".to_owned(), json!(status_url)),
    ])
}

fn report(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    result: impl FnMut(usize) -> Option<EventResult>,
) -> Response {
    success(StatusCode::OK, "Batch processed successfully", data(clinic_id, batch_id, listing, result))
}

fn data(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    mut result: impl FnMut(usize) -> Option<EventResult>,
) -> Map<String, Value> {
    let results: Vec<_> = listing
        .iter()
        .enumerate()
        .map(|(position, entry)| match entry {
            ListedEntry::Refused(refused) => refused_result(refused),
            ListedEntry::Accepted(event) => event_result(clinic_id, event, result(position)),
        })
        .collect();
    let count = |status: &str| results.iter().filter(|result| result["status"] == status).count();
    let (failed, pending) = (count("failed"), count("pending"));
    let counts = json!({
        "batch_id": batch_id,
        "total": results.len(),
        "successful": results.len() - failed - pending,
        "failed": failed,
        "pending": pending,
        "results": results,
    });
    match counts {
        Value::Object(data) => data,
        _ => Map::new(),
    }
}

fn refused_result(refused: &RefusedEntry) -> Value {
    json!({
        "type": refused.kind,
        "careq_id": refused.careq_id,
        "status": "failed",
        "error": { "code": refused.code.as_str(), "message": refused.message, "details": refused.details },
    })
}

fn event_result(clinic_id: &str, event: &ListedEvent, result: Option<EventResult>) -> Value {
    let mut body = json!({
        "type": event.kind,
        "careq_id": event.careq_id,
        "id": ids::record_id(clinic_id, event.kind.record(), event.careq_id),
        "event_id": event.event_id,
    });
    let (status, extra) = match result.map(|result| result.outcome) {
        None | Some(Outcome::Retrying) => ("pending", None),
        Some(Outcome::Waiting(missing)) => {
            let details = outcome::missing_parents(event.kind, &missing);
            ("pending", Some(("waiting_for", json!(details))))
        }
        Some(Outcome::Failed(failure)) => {
            let error = json!({ "code": failure.code.as_str(), "message": failure.message, "details": {} });
            ("failed", Some(("error", error)))
        }
        Some(done @ (Outcome::Created | Outcome::Updated | Outcome::Unchanged)) => (done.as_str(), None),
    };
    body["status"] = json!(status);
    if let Some((name, value)) = extra {
        body[name] = value;
    }
    body
}

/// RFC 3986, 3.3: everything but unreserved characters is escaped.
fn path_segment(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
