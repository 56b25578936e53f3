//! The report of a batch (API specification, section 7): one result per record, in the order sent. `total` is
//! `successful + failed + pending`.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::http::StatusCode;
use axum::response::Response;
use careq_shared::ids::{self, EventId};
use careq_shared::message::{ListedEntry, ListedEvent, RefusedEntry};
use careq_shared::outcome::{self, ErrorCode, EventResult, Outcome};
use careq_shared::records::FieldErrors;
use serde::Serialize;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::paths;
use crate::response::{ErrorDetail, SyncStatus, error_detail, success, with_idempotent_replayed};

/// `data` of every answer about a batch. The page of a batch that no worker has registered yet has no counts and results.
#[skip_serializing_none]
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct BatchData<'batch> {
    /// As sent.
    batch_id: &'batch str,
    /// Records: successful + failed + pending.
    #[schema(nullable = false)]
    total: Option<usize>,
    /// Created, updated or unchanged.
    #[schema(nullable = false)]
    successful: Option<usize>,
    /// Refused, or finally failed.
    #[schema(nullable = false)]
    failed: Option<usize>,
    /// Still to come, or waiting for another record.
    #[schema(nullable = false)]
    pending: Option<usize>,
    #[schema(nullable = false)]
    results: Option<Vec<RecordResult<'batch>>>,
    /// `queued`, or `failed` if the `batch_id` was used before.
    #[schema(nullable = false)]
    sync_status: Option<SyncStatus>,
    /// Where the report will be.
    #[schema(nullable = false)]
    status_url: Option<String>,
    #[schema(nullable = false, inline)]
    error: Option<ErrorDetail<'batch>>,
}

/// The result of one record. `type` and `careq_id` are `null` if they could not be read.
#[skip_serializing_none]
#[derive(Debug, Serialize, ToSchema)]
struct RecordResult<'batch> {
    #[serialize_always]
    #[schema(required)]
    r#type: Option<&'batch str>,
    #[serialize_always]
    #[schema(required)]
    careq_id: Option<i64>,
    /// The record's id in careq-sync, if it was accepted.
    #[schema(nullable = false)]
    id: Option<Uuid>,
    #[schema(nullable = false, value_type = Option<String>)]
    event_id: Option<&'batch EventId>,
    status: RecordStatus,
    /// Messages by the field that names a missing record.
    #[schema(nullable = false, value_type = Option<BTreeMap<String, Vec<String>>>)]
    waiting_for: Option<FieldErrors>,
    #[schema(nullable = false, inline)]
    error: Option<ErrorDetail<'batch>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
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
    let entry_bytes = |entry: &ListedEntry| match entry {
        ListedEntry::Accepted(_) => 1_024,
        ListedEntry::Refused(refused) => {
            let messages = refused.details.values().flatten();
            1_024 + messages.map(|message| 512 + 4 * message.len()).sum::<usize>()
        }
    };
    listing.iter().map(entry_bytes).sum()
}

/// The report of the worker's results, which are in the order of the accepted records.
pub(crate) fn from_results(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    results: Vec<EventResult>,
) -> Response {
    let is_repeated = !results.is_empty() && results.iter().all(|result| result.replayed);
    let mut results = results.into_iter();
    let response = processed(report(batch_id, clinic_id, listing, |_| results.next()));
    if is_repeated { with_idempotent_replayed(response) } else { response }
}

/// The report of the stored results by position, for the status page.
pub(crate) fn from_stored(
    clinic_id: &str,
    batch_id: &str,
    listing: &[ListedEntry],
    stored: &HashMap<usize, EventResult>,
) -> Response {
    processed(report(batch_id, clinic_id, listing, |position| stored.get(&position).cloned()))
}

fn processed(report: BatchData<'_>) -> Response {
    success(StatusCode::OK, "Batch processed successfully", report)
}

/// 202: the batch is accepted, its results are not known yet.
pub(crate) fn queued(clinic_id: &str, batch_id: &str, receipt: &str, listing: &[ListedEntry]) -> Response {
    let BatchData { sync_status, status_url, .. } = without_report(batch_id, receipt, SyncStatus::Queued);
    let report = report(batch_id, clinic_id, listing, |_| None);
    let data = BatchData { sync_status, status_url, ..report };
    success(StatusCode::ACCEPTED, "Batch accepted; its report will be at status_url", data)
}

/// The status page of a batch that no worker has registered yet.
pub(crate) fn queued_page(batch_id: &str, receipt: &str) -> Response {
    success(StatusCode::OK, "Batch is queued", without_report(batch_id, receipt, SyncStatus::Queued))
}

/// The status page of a batch whose `batch_id` was used before. Its records are dead letters, or will be.
pub(crate) fn refused_page(batch_id: &str, receipt: &str) -> Response {
    let error = Some(error_detail(ErrorCode::DuplicateRecord, outcome::BATCH_ID_REUSED));
    let data = BatchData { error, ..without_report(batch_id, receipt, SyncStatus::Failed) };
    success(StatusCode::OK, "Batch was refused; none of its records were applied", data)
}

fn without_report<'batch>(
    batch_id: &'batch str,
    receipt: &str,
    sync_status: SyncStatus,
) -> BatchData<'batch> {
    let status_url = Some(paths::batch_status(batch_id, receipt));
    BatchData { batch_id, sync_status: Some(sync_status), status_url, ..BatchData::default() }
}

fn report<'batch>(
    batch_id: &'batch str,
    clinic_id: &str,
    listing: &'batch [ListedEntry],
    mut result: impl FnMut(usize) -> Option<EventResult>,
) -> BatchData<'batch> {
    let entry_result = |(position, entry): (usize, &'batch ListedEntry)| match entry {
        ListedEntry::Refused(refused) => refused_result(refused),
        ListedEntry::Accepted(event) => event_result(clinic_id, event, result(position)),
    };
    let results: Vec<_> = listing.iter().enumerate().map(entry_result).collect();
    let count = |status| results.iter().filter(|result| result.status == status).count();
    let (total, failed, pending) = (results.len(), count(RecordStatus::Failed), count(RecordStatus::Pending));
    BatchData {
        batch_id,
        total: Some(total),
        successful: Some(total - failed - pending),
        failed: Some(failed),
        pending: Some(pending),
        results: Some(results),
        ..BatchData::default()
    }
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
        Some(Outcome::Failed(failure)) => {
            (RecordStatus::Failed, None, Some(error_detail(failure.code, failure.message)))
        }
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
        let report = report("one", "clinic", &listing, |_| None);
        let error = json!({ "code": "VALIDATION_ERROR", "message": "Validation failed", "details": {} });
        assert_eq!(
            serde_json::to_value(report).unwrap(),
            json!({
                "batch_id": "one", "total": 1, "successful": 0, "failed": 1, "pending": 0,
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
