//! `POST /batch`: up to 1,000 records as one message, which is accepted as a whole. A record that is refused does not affect the others.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::ApiError;
use careq_shared::broker::Queue;
use careq_shared::clinics::Clinic;
use careq_shared::event::Event;
use careq_shared::ids;
use careq_shared::json::{Document, Object, Raw};
use careq_shared::message::{Batch, Content, Entry, Message, RefusedEntry, Verdict};
use careq_shared::outcome::{self, ErrorCode};
use careq_shared::records::{self, FieldErrors, Kind};
use careq_shared::redact;
use chrono::TimeDelta;
use tracing::Instrument as _;

use crate::authenticate::caller::{Authenticated, Verified};
use crate::middleware::auth;
use crate::publish::{self, Outgoing};
use crate::reply::prefer::Preference;
use crate::response::error::{self, Overload};
use crate::response::{batch_report, outcome as response};
use crate::state::Ingress;
use crate::validate::{self, Acceptance};
use crate::{compute, receive, trace};

/// Maximum number of records.
const MAX_RECORDS: usize = 1_000;

/// Maximum length of `batch_id` in characters.
const MAX_ID_CHARACTERS: usize = 255;

/// Answers `POST /batch`, in the stages of [`crate::webhook::accept`].
pub(crate) async fn accept(
    caller: Authenticated,
    State(ingress): State<Arc<Ingress>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let reservation = ingress.memory_budget.reservation(&caller.clinic.clinic_id, 0);
    let limits = ingress.body_limits(ingress.settings.max_batch_body_bytes);
    let receiving = receive::body(reservation, &parts.headers, body, limits);
    let (body, mut reservation) = receiving.instrument(trace::receive()).await?;
    let bytes = body.len();
    let verified = compute::on_body(bytes, || auth::verify(&ingress, &caller, body))?;
    let _received = ingress.received.enter(&verified.clinic.clinic_id);
    let (preference, _waiting) =
        ingress.enter_wait(&verified.clinic.clinic_id, Preference::of(&parts.headers));
    let permit = ingress.admit(&verified.clinic, bytes).await?;
    let (clinic, batch, (shape, careq_id)) = compute::on_body(bytes, || read(&ingress, &parts.headers, verified))?;
    let (batch_id, listing) = (batch.batch_id.clone(), batch.listing());
    let receipt = ids::batch_receipt(&clinic.event_key, &batch_id, &batch.content_digest);
    if !reservation.resize(batch_report::estimated_bytes(&listing)) {
        return Err(error::overloaded(Overload::Bodies).with_payload(shape, careq_id));
    }

    let result_timeout = Duration::from_millis(ingress.settings.batch_result_timeout_ms);
    let limit = ingress.wait_limit(&clinic.clinic_id, preference, result_timeout);
    let pending_reply = ingress.pending_replies.register(&clinic.clinic_id, Queue::Bulk, limit);
    let message = Message { reply_to: pending_reply.reply_to.clone(), content: Content::Batch(batch) };
    let preference = preference.granted(pending_reply.is_waiting());
    let published = match compute::on_body(bytes, || Outgoing::new(message, bytes)) {
        Ok(outgoing) => publish::confirmed(&ingress, Queue::Bulk, outgoing).await,
        Err(error) => Err(error),
    };
    published.map_err(|error| error.with_payload(shape, careq_id))?;
    // Waiting needs only the listing.
    drop(permit);

    let answer = match pending_reply.wait().instrument(trace::result()).await {
        Some(Verdict::Batch(results)) => {
            batch_report::of_results(&clinic.clinic_id, &batch_id, &listing, results)
        }
        Some(Verdict::BatchConflict) => error::conflict(outcome::BATCH_ID_REUSED).into_response(),
        Some(Verdict::Event(_)) | None => batch_report::queued(&clinic, &batch_id, &receipt, &listing),
    };
    Ok(reservation.until_sent(response::with_preference(answer, preference)))
}

/// Parses and validates a batch, and returns its shape for the error log. Each form of the body is freed as soon as the next one exists.
fn read(
    ingress: &Ingress,
    headers: &HeaderMap,
    verified: Verified<Bytes>,
) -> Result<(Arc<Clinic>, Batch, (String, Option<i64>)), ApiError> {
    let Verified { clinic, body, .. } = verified;
    let document = careq_http::read_document(headers, &body)?;
    drop(body);
    let batch = validate(ingress, &clinic, &document).map_err(|error| error.with_document(&document))?;
    Ok((clinic, batch, (redact::of_document(&document), redact::careq_id(&document))))
}

fn validate(ingress: &Ingress, clinic: &Clinic, document: &Document) -> Result<Batch, ApiError> {
    let body = document.object();
    validate::same_clinic(clinic, &body)?;
    let Envelope { batch_id, records } = envelope(&body).map_err(error::validation)?;
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

/// The valid members of the batch itself.
struct Envelope<'body> {
    batch_id: String,
    records: Vec<Raw<'body>>,
}

/// Validates the members of the batch itself, and reports all errors at once.
fn envelope<'body>(body: &Object<'body>) -> Result<Envelope<'body>, FieldErrors> {
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
        (Some(batch_id), Some(records)) if errors.is_empty() => {
            Ok(Envelope { batch_id: batch_id.into_owned(), records })
        }
        _ => Err(errors),
    }
}

fn entry(clinic: &Clinic, record: Raw<'_>, acceptance: Acceptance) -> Entry {
    // A record that is not an object has no type, and is refused for that.
    let record = record.as_object().unwrap_or_else(Object::empty);
    let data = record.get("data").and_then(Raw::as_object);
    match event(clinic, &record, data.as_ref(), acceptance) {
        Ok(event) => Entry::Accepted(Box::new(event)),
        Err((code, message, details)) => Entry::Refused(RefusedEntry {
            kind: kind(&record).ok().map(|kind| kind.as_str().to_owned()),
            careq_id: data.and_then(|data| data.get("careq_id")?.as_i64()),
            code,
            message: message.to_owned(),
            details,
        }),
    }
}

type RecordError = (ErrorCode, &'static str, FieldErrors);

fn event(
    clinic: &Clinic,
    record: &Object<'_>,
    data: Option<&Object<'_>>,
    acceptance: Acceptance,
) -> Result<Event, RecordError> {
    let invalid = |field: &str, message: &str| {
        let details = FieldErrors::from([(field.to_owned(), vec![message.to_owned()])]);
        (ErrorCode::ValidationError, "Validation failed", details)
    };
    let kind = kind(record).map_err(|message| invalid("type", message))?;
    let data = data.ok_or_else(|| invalid("data", "Data must be a JSON object"))?;
    if validate::same_clinic(clinic, data).is_err() {
        let message = "The record belongs to another clinic";
        return Err((ErrorCode::AuthenticationFailed, message, FieldErrors::new()));
    }
    let identified = records::read(kind, data, acceptance.limits, acceptance.accepted_at)
        .map_err(|details| (ErrorCode::ValidationError, "Validation failed", details))?;
    Ok(Event::accept(identified, validate::origin(clinic, data.raw().text(), acceptance)))
}

/// The type of a record: one of the four that the specification allows in a batch.
fn kind(record: &Object<'_>) -> Result<Kind, &'static str> {
    match record.get("type").and_then(Raw::as_str).map(|word| word.parse()) {
        Some(Ok(kind @ (Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment))) => Ok(kind),
        _ => Err("Type must be one of: patient, doctor, service, appointment"),
    }
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
