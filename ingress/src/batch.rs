//! `POST /batch`: up to 1,000 records as one message, which is accepted as a whole. A record that is refused does not affect the others.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::ApiError;
use careq_shared::broker::Queue;
use careq_shared::clinics::Clinic;
use careq_shared::ids;
use careq_shared::json::{Document, Object, Raw};
use careq_shared::message::{Batch, Content, Entry, Message, RefusedEntry, Verdict};
use careq_shared::outcome::{self, ErrorCode};
use careq_shared::records::{FieldErrors, Kind};
use careq_shared::redact;
use chrono::TimeDelta;

use crate::authenticate::{Authenticated, Verified};
use crate::reply::prefer::Preference;
use crate::response::batch_report;
use crate::response::error::{self, Overload};
use crate::response::outcome::with_preference;
use crate::state::Ingress;
use crate::validate::{self, Acceptance};
use crate::{publish, receive};

/// Maximum number of records.
const MAX_RECORDS: usize = 1_000;

/// Maximum length of `batch_id` in characters.
const MAX_ID_CHARACTERS: usize = 255;

/// Answers `POST /batch`, in the stages of [`crate::webhook::accept`].
pub(crate) async fn accept(caller: Authenticated, request: Request) -> Result<Response, ApiError> {
    let (ingress, clinic_id) = (&caller.ingress, &caller.clinic.clinic_id);
    let max_bytes = ingress.settings.max_batch_body_bytes;
    let (headers, body, mut reservation) = receive::body(ingress, clinic_id, request, 0, max_bytes).await?;
    let bytes = body.len();
    let Verified { clinic, body, .. } = caller.verify(body)?;
    let _received = ingress.received.take(clinic_id);
    let permit = ingress.admit(&clinic, bytes).await?;
    let (batch, shape, careq_id) = receive::run_cpu_bound(bytes, || read(ingress, &headers, &clinic, body))?;
    caller.count_records(batch.entries.len())?;
    let with_shape = |error: ApiError| error.with_payload(shape, careq_id);
    let (batch_id, listing) = (batch.batch_id.clone(), batch.listing());
    let receipt = ids::batch_receipt(&clinic.event_key, &batch_id, &batch.content_digest);
    if !reservation.resize(batch_report::estimated_bytes(&listing)) {
        return Err(with_shape(error::overloaded(Overload::Bodies)));
    }

    let default_wait = ingress.default_wait(clinic_id, ingress.settings.batch_result_timeout_ms);
    let preference = Preference::from_headers(&headers);
    let pending_reply = ingress.pending_replies.register(clinic_id, Queue::Bulk, preference, default_wait);
    let (reply_to, applied) = (pending_reply.reply_to.clone(), pending_reply.applied);
    let message = Message { reply_to, content: Content::Batch(batch) };
    publish::confirmed(ingress, Queue::Bulk, clinic_id, message, bytes).await.map_err(with_shape)?;
    // Waiting needs only the listing.
    drop(permit);

    let answer = match pending_reply.wait().await {
        Some(Verdict::Batch(results)) => batch_report::from_results(clinic_id, &batch_id, &listing, results),
        Some(Verdict::BatchConflict) => error::conflict(outcome::BATCH_ID_REUSED).into_response(),
        Some(Verdict::Event(_)) | None => batch_report::queued(clinic_id, &batch_id, &receipt, &listing),
    };
    Ok(reservation.until_sent(with_preference(answer, applied)))
}

/// Parses and validates a batch, and returns its shape for the error log. Each form of the body is freed as soon as the next one
/// exists.
fn read(
    ingress: &Ingress,
    headers: &HeaderMap,
    clinic: &Clinic,
    body: Bytes,
) -> Result<(Batch, String, Option<i64>), ApiError> {
    let document = careq_http::read_document(headers, &body)?;
    drop(body);
    let batch = validate(ingress, clinic, &document).map_err(|error| error.with_document(&document))?;
    Ok((batch, redact::document_shape(&document), redact::careq_id(&document)))
}

fn validate(ingress: &Ingress, clinic: &Clinic, document: &Document) -> Result<Batch, ApiError> {
    let body = document.object();
    validate::same_clinic(clinic, &body)?;
    let (batch_id, records) = envelope(&body).map_err(error::validation)?;
    let content = [clinic.clinic_id.as_bytes(), b"batch", document.text().as_bytes()];
    let content_digest = clinic.event_key.content_digest(&content);
    #[expect(clippy::expect_used, reason = "the envelope has at most 1,000 records")]
    let count = u32::try_from(records.len()).expect("the number of records fits into 32 bits");
    let accepted_at = ingress.clock.reserve(count);
    // One microsecond apart, so that of two versions without a stamp the later one in the list is the newer.
    let stamps = (0_i64..).map(|position| accepted_at + TimeDelta::microseconds(position));
    let limits = ingress.settings.record_limits();
    let acceptances = stamps.map(|accepted_at| Acceptance { idempotency_key: None, accepted_at, limits });
    let entries = records
        .iter()
        .zip(acceptances)
        .map(|(record, acceptance)| entry(clinic, *record, acceptance))
        .collect();
    Ok(Batch { clinic_id: clinic.clinic_id.clone(), batch_id, content_digest, accepted_at, entries })
}

/// The `batch_id` and the records, or all errors of the members of the batch itself.
fn envelope<'body>(body: &Object<'body>) -> Result<(String, Vec<Raw<'body>>), FieldErrors> {
    let mut errors = FieldErrors::new();
    let mut refuse =
        |field: &str, message: &str| errors.entry(field.to_owned()).or_default().push(message.to_owned());
    if body.get("clinic_id").and_then(Raw::as_str).is_none_or(|clinic_id| clinic_id.is_empty()) {
        refuse("clinic_id", "Clinic id is required");
    }
    let is_id =
        |id: &str| !id.trim().is_empty() && id.chars().count() <= MAX_ID_CHARACTERS && !id.contains('\0');
    let batch_id = body.get("batch_id").and_then(Raw::as_str).filter(|id| is_id(id));
    if batch_id.is_none() {
        refuse("batch_id", "Batch id is required, as text of at most 255 characters without a NUL character");
    }
    let records = body.get("records").and_then(Raw::as_list);
    let records = records.filter(|records| (1..=MAX_RECORDS).contains(&records.len()));
    if records.is_none() {
        refuse("records", "Records must be a list of 1 to 1000 records");
    }
    match (batch_id, records) {
        (Some(batch_id), Some(records)) if errors.is_empty() => Ok((batch_id.into_owned(), records)),
        _ => Err(errors),
    }
}

fn entry(clinic: &Clinic, record: Raw<'_>, acceptance: Acceptance) -> Entry {
    // A record that is not an object has no type, and is refused for that.
    let record = record.as_object().unwrap_or_else(Object::empty);
    let (kind, data) = (kind(&record), record.get("data").and_then(Raw::as_object));
    let refused = |code, message: &str, details| {
        Entry::Refused(RefusedEntry {
            kind: kind.map(|kind| kind.as_str().to_owned()),
            careq_id: data.as_ref().and_then(|data| data.get("careq_id")?.as_i64()),
            code,
            message: message.to_owned(),
            details,
        })
    };
    let invalid = |details| refused(ErrorCode::ValidationError, "Validation failed", details);
    let field = |name: &str, message: &str| FieldErrors::from([(name.to_owned(), vec![message.to_owned()])]);
    let Some(kind) = kind else {
        return invalid(field("type", "Type must be one of: patient, doctor, service, appointment"));
    };
    let Some(data) = &data else { return invalid(field("data", "Data must be a JSON object")) };
    if validate::same_clinic(clinic, data).is_err() {
        let message = "The record belongs to another clinic";
        return refused(ErrorCode::AuthenticationFailed, message, FieldErrors::new());
    }
    match validate::event(kind, clinic, data, acceptance) {
        Ok(event) => Entry::Accepted(Box::new(event)),
        Err(details) => invalid(details),
    }
}

/// The type of a record: one of the four that the specification allows in a batch.
fn kind(record: &Object<'_>) -> Option<Kind> {
    let kind = record.get("type").and_then(Raw::as_str)?.parse().ok()?;
    matches!(kind, Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_of_the_envelope_are_reported_at_once() {
        let fields = |text: &str| {
            let document = Document::parse(text.as_bytes()).unwrap();
            let errors = envelope(&document.object()).map(drop).err();
            errors.map(|errors| errors.into_keys().collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(fields("{}"), ["batch_id", "clinic_id", "records"]);
        assert_eq!(fields(r#"{"clinic_id":"a","batch_id":" ","records":[]}"#), ["batch_id", "records"]);
        assert!(fields(r#"{"clinic_id":"a","batch_id":"b","records":[1]}"#).is_empty());
    }
}
