//! The report of a batch (API specification, section 7): one result per record, in the order sent. `total` is
//! `successful + failed + pending`.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::http::StatusCode;
use axum::response::Response;
use careq_shared::clinics::Clinic;
use careq_shared::ids::{self, EventId};
use careq_shared::message::{ListedEntry, ListedEvent, RefusedEntry};
use careq_shared::outcome::{self, ErrorCode, EventResult, Outcome};
use careq_shared::records::FieldErrors;
use serde::Serialize;
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::paths;
use crate::response::body::{self, ErrorDetail, SyncStatus, success, with_idempotent_replayed};

/// `data` of every answer about a batch.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
struct BatchData<'batch> {
    batch_id: &'batch str,
    #[serde(flatten)]
    report: Option<Report<'batch>>,
    sync_status: Option<SyncStatus>,
    status_url: Option<String>,
    error: Option<ErrorDetail<'batch>>,
}

/// The counts and the results of a batch.
#[derive(Debug, Serialize)]
struct Report<'batch> {
    total: usize,
    successful: usize,
    failed: usize,
    pending: usize,
    results: Vec<RecordResult<'batch>>,
}

/// The result of one record. `type` and `careq_id` are `null` if they could not be read.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
struct RecordResult<'batch> {
    #[serialize_always]
    r#type: Option<&'batch str>,
    #[serialize_always]
    careq_id: Option<i64>,
    id: Option<Uuid>,
    event_id: Option<&'batch EventId>,
    status: RecordStatus,
    waiting_for: Option<FieldErrors>,
    error: Option<ErrorDetail<'batch>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum RecordStatus {
    Created,
    Updated,
    Unchanged,
    Pending,
    Failed,
}

/// The approximate memory of a listing and its report, in bytes.
pub(crate) fn estimated_bytes(listing: &[ListedEntry]) -> usize {
    let of_entry = |entry: &ListedEntry| match entry {
        ListedEntry::Accepted(_) => 1_024,
        ListedEntry::Refused(refused) => {
            let messages = refused.details.values().flatten();
            1_024 + messages.map(|message| 512 + 4 * message.len()).sum::<usize>()
        }
    };
    listing.iter().map(of_entry).sum()
}

/// The report of the worker's results, which are in the order of the accepted records.
pub(crate) fn of_results(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    results: Vec<EventResult>,
) -> Response {
    let is_repeated = !results.is_empty() && results.iter().all(|result| result.replayed);
    let mut results = results.into_iter();
    let response = processed(batch_id, report(clinic_id, listing, |_| results.next()));
    if is_repeated { with_idempotent_replayed(response) } else { response }
}

/// The report of the stored results by position, for the status page.
pub(crate) fn of_stored(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    stored: &HashMap<usize, EventResult>,
) -> Response {
    processed(batch_id, report(clinic_id, listing, |position| stored.get(&position).cloned()))
}

fn processed(batch_id: &str, report: Report<'_>) -> Response {
    let data = BatchData { batch_id, report: Some(report), sync_status: None, status_url: None, error: None };
    success(StatusCode::OK, "Batch processed successfully", data)
}

/// 202: the batch is accepted, its results are not known yet.
pub(crate) fn queued(clinic: &Clinic, batch_id: &str, receipt: &str, listing: &[ListedEntry]) -> Response {
    let report = Some(report(&clinic.clinic_id, listing, |_| None));
    let data = BatchData { report, ..without_report(batch_id, receipt, SyncStatus::Queued) };
    success(StatusCode::ACCEPTED, "Batch accepted; its report will be at status_url", data)
}

/// The status page of a batch that no worker has registered yet.
pub(crate) fn queued_page(batch_id: &str, receipt: &str) -> Response {
    success(StatusCode::OK, "Batch is queued", without_report(batch_id, receipt, SyncStatus::Queued))
}

/// The status page of a batch whose `batch_id` was used before. Its records are dead letters, or will be.
pub(crate) fn refused_page(batch_id: &str, receipt: &str) -> Response {
    let error = Some(body::error(ErrorCode::DuplicateRecord, outcome::BATCH_ID_REUSED));
    let data = BatchData { error, ..without_report(batch_id, receipt, SyncStatus::Failed) };
    success(StatusCode::OK, "Batch was refused; none of its records were applied", data)
}

fn without_report<'batch>(
    batch_id: &'batch str,
    receipt: &str,
    sync_status: SyncStatus,
) -> BatchData<'batch> {
    BatchData {
        batch_id,
        report: None,
        sync_status: Some(sync_status),
        status_url: Some(paths::batch_status(batch_id, receipt)),
        error: None,
    }
}

fn report<'batch>(
    clinic_id: &str,
    listing: &'batch [ListedEntry],
    mut result: impl FnMut(usize) -> Option<EventResult>,
) -> Report<'batch> {
    let of_entry = |(position, entry): (usize, &'batch ListedEntry)| match entry {
        ListedEntry::Refused(refused) => refused_result(refused),
        ListedEntry::Accepted(event) => event_result(clinic_id, event, result(position)),
    };
    let results: Vec<_> = listing.iter().enumerate().map(of_entry).collect();
    let count = |status| results.iter().filter(|result| result.status == status).count();
    let (failed, pending) = (count(RecordStatus::Failed), count(RecordStatus::Pending));
    Report { total: results.len(), successful: results.len() - failed - pending, failed, pending, results }
}

fn refused_result(refused: &RefusedEntry) -> RecordResult<'_> {
    RecordResult {
        r#type: refused.kind.as_deref(),
        careq_id: refused.careq_id,
        id: None,
        event_id: None,
        status: RecordStatus::Failed,
        waiting_for: None,
        error: Some(ErrorDetail {
            code: refused.code,
            message: Cow::Borrowed(&refused.message),
            details: Cow::Borrowed(&refused.details),
        }),
    }
}

fn event_result<'batch>(
    clinic_id: &str,
    event: &'batch ListedEvent,
    result: Option<EventResult>,
) -> RecordResult<'batch> {
    let (status, waiting_for, error) = match result.map(|result| result.outcome) {
        None | Some(Outcome::Retrying) => (RecordStatus::Pending, None, None),
        Some(Outcome::Waiting(missing)) => {
            (RecordStatus::Pending, Some(outcome::missing_parents(event.kind, &missing)), None)
        }
        Some(Outcome::Failed(failure)) => (RecordStatus::Failed, None, Some(body::error(failure.code, failure.message))),
        Some(Outcome::Created) => (RecordStatus::Created, None, None),
        Some(Outcome::Updated) => (RecordStatus::Updated, None, None),
        Some(Outcome::Unchanged) => (RecordStatus::Unchanged, None, None),
    };
    RecordResult {
        r#type: Some(event.kind.as_str()),
        careq_id: Some(event.careq_id),
        id: Some(ids::record_id(clinic_id, event.kind.record(), event.careq_id)),
        event_id: Some(&event.event_id),
        status,
        waiting_for,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_record_has_null_where_a_member_could_not_be_read() {
        let refused = RefusedEntry {
            kind: None,
            careq_id: None,
            code: ErrorCode::ValidationError,
            message: "Validation failed".to_owned(),
            details: FieldErrors::new(),
        };
        let listing = [ListedEntry::Refused(refused)];
        let report = report("clinic", &listing, |_| None);
        let error = json!({ "code": "VALIDATION_ERROR", "message": "Validation failed", "details": {} });
        assert_eq!(
            serde_json::to_value(report).unwrap(),
            json!({
                "total": 1, "successful": 0, "failed": 1, "pending": 0,
                "results": [{ "type": null, "careq_id": null, "status": "failed", "error": error }],
            })
        );
    }

    #[test]
    fn a_batch_without_a_report_has_no_counts() {
        let data = without_report("one", "receipt", SyncStatus::Queued);
        assert_eq!(
            serde_json::to_value(data).unwrap(),
            json!({
                "batch_id": "one",
                "sync_status": "queued",
                "status_url": "/api/v1/careq-sync/batch/one?receipt=receipt",
            })
        );
    }
}
