//! The way of a batch: one message, so it is accepted whole or not at all. A bad record must never hold back a good one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use careq_http::BodyLimits;
use careq_shared::broker::Queue;
use careq_shared::clinics::Clinic;
use careq_shared::event::Event;
use careq_shared::ids;
use careq_shared::json::{Document, Object, Raw};
use careq_shared::message::{Batch, Content, Entry, Message, RefusedEntry, Verdict};
use careq_shared::outcome::{self, ErrorCode};
use careq_shared::records::{self, FieldErrors, Kind};
use chrono::TimeDelta;
use tracing::Instrument as _;

use crate::authenticate::{Caller, Verified};
use crate::ingress::Ingress;
use crate::overload::Overload;
use crate::prefer::Preference;
use crate::problem::{Problem, Shape};
use crate::publish::Outgoing;
use crate::receive;
use crate::validate::{self, Stamps};
use crate::{answer, compute, door, publish, report, trace, webhook};

/// Most records of one batch.
const MAX_RECORDS: usize = 1_000;

/// Longest `batch_id`, in characters.
const LONGEST_ID: usize = 255;

/// Answers `POST /batch`.
pub(crate) async fn handle(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    accept(&ingress, request).await.unwrap_or_else(Problem::into_response)
}

async fn accept(ingress: &Arc<Ingress>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::authentication_failed)?;
    let share = ingress.room.share(&caller.clinic.clinic_id, 0);
    let receiving = receive::body_into(share, &parts.headers, body, body_limits(ingress));
    let (body, mut share) = receiving.instrument(trace::receive()).await?;
    let bytes = body.len();
    let verified = compute::on_body(bytes, || door::verify(ingress, &caller, body))?;
    let _received = ingress.received.enter(&verified.clinic.clinic_id);
    let (preference, _waiting) = ingress.granted(&verified.clinic.clinic_id, Preference::of(&parts.headers));
    let turn = ingress.turn(&verified.clinic, bytes).await?;
    let (clinic, batch, told) = compute::on_body(bytes, || read(ingress, &parts.headers, verified))?;
    let (batch_id, listing) = (batch.batch_id.clone(), batch.listing());
    let receipt = ids::batch_receipt(&clinic.event_key, &batch_id, &batch.content_digest);
    if !share.resize(report::cost(&listing)) {
        return Err(Overload::Bodies.refuse().of_shape(told));
    }

    let answer_within_ms = ingress.settings.batch_result_timeout_ms;
    let budget = webhook::budget(ingress, &clinic.clinic_id, preference, answer_within_ms);
    let expectation = ingress.results.expect(&clinic.clinic_id, Queue::Bulk, budget);
    let message = Message { reply_to: expectation.reply_to.clone(), content: Content::Batch(batch) };
    let preference = preference.granted(expectation.is_granted());
    let published = match compute::on_body(bytes, || Outgoing::new(message, bytes)) {
        Ok(outgoing) => publish::confirmed(ingress, Queue::Bulk, outgoing).await,
        Err(problem) => Err(problem),
    };
    published.map_err(|problem| problem.of_shape(told))?;
    // Its listing is all that is needed to wait for its result.
    drop(turn);

    let answer = match expectation.result().instrument(trace::result()).await {
        Some(Verdict::Batch(results)) => report::of_results(&clinic.clinic_id, &batch_id, &listing, results),
        Some(Verdict::BatchConflict) => Problem::conflict(outcome::BATCH_ID_REUSED).into_response(),
        Some(Verdict::Event(_)) | None => report::queued(&clinic, &batch_id, &receipt, &listing),
    };
    Ok(share.until_sent(answer::with_preference(answer, preference)))
}

fn body_limits(ingress: &Ingress) -> BodyLimits {
    BodyLimits {
        bytes: ingress.settings.max_batch_body_bytes,
        within: Duration::from_secs(ingress.settings.body_timeout_s),
    }
}

/// Reads a batch, and lets go of its body as soon as it can.
fn read(
    ingress: &Ingress,
    headers: &HeaderMap,
    verified: Verified<Bytes>,
) -> Result<(Arc<Clinic>, Batch, Shape), Problem> {
    let Verified { clinic, body } = verified;
    let document = receive::document(headers, &body)?;
    drop(body);
    let batch = validate(ingress, &clinic, &document).map_err(|problem| problem.about(&document))?;
    Ok((clinic, batch, Shape::of(&document)))
}

fn validate(ingress: &Ingress, clinic: &Clinic, document: &Document) -> Result<Batch, Problem> {
    let body = document.object();
    validate::in_clinic(clinic, &body)?;
    let Envelope { batch_id, records } = envelope(&body).map_err(Problem::validation)?;
    let content = [clinic.clinic_id.as_bytes(), b"batch", document.text().as_bytes()];
    let content_digest = clinic.event_key.content_digest(&content);
    let accepted_at = ingress.clock.reserve(u32::try_from(records.len()).unwrap_or(u32::MAX));
    // One microsecond apart, so that of two versions without a stamp the later one in the list is the newer.
    let stamps = (0_i64..).map(|position| accepted_at + TimeDelta::microseconds(position));
    let limits = ingress.settings.record_limits();
    let stamps = stamps.map(|accepted_at| Stamps { idempotency_key: None, accepted_at, limits });
    let entries = records.iter().zip(stamps).map(|(record, stamps)| entry(clinic, *record, stamps)).collect();
    Ok(Batch { clinic_id: clinic.clinic_id.clone(), batch_id, content_digest, accepted_at, entries })
}

/// The batch itself.
struct Envelope<'body> {
    batch_id: String,
    records: Vec<Raw<'body>>,
}

/// Checks the batch itself.
fn envelope<'body>(body: &Object<'body>) -> Result<Envelope<'body>, FieldErrors> {
    let mut errors = FieldErrors::new();
    let mut refuse =
        |field: &str, sentence: &str| errors.entry(field.to_owned()).or_default().push(sentence.to_owned());
    let text = |field: &str| body.get(field).and_then(Raw::as_str).unwrap_or_default();
    if text("clinic_id").is_empty() {
        refuse("clinic_id", "Clinic id is required");
    }
    let batch_id = text("batch_id");
    if batch_id.trim().is_empty() || batch_id.chars().count() > LONGEST_ID || batch_id.contains('\0') {
        refuse("batch_id", "Batch id is required, as text of at most 255 characters without a NUL character");
    }
    let records = body.get("records").and_then(Raw::as_list).unwrap_or_default();
    if !(1..=MAX_RECORDS).contains(&records.len()) {
        refuse("records", "Records must be a list of 1 to 1000 records");
    }
    if errors.is_empty() { Ok(Envelope { batch_id: batch_id.into_owned(), records }) } else { Err(errors) }
}

fn entry(clinic: &Clinic, record: Raw<'_>, stamps: Stamps) -> Entry {
    let record = record.as_object().unwrap_or_else(Object::empty);
    let data = record.get("data").and_then(Raw::as_object);
    match event(clinic, &record, data.as_ref(), stamps) {
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

type Refusal = (ErrorCode, &'static str, FieldErrors);

fn event(
    clinic: &Clinic,
    record: &Object<'_>,
    data: Option<&Object<'_>>,
    stamps: Stamps,
) -> Result<Event, Refusal> {
    let invalid = |field: &str, sentence: &str| {
        let details = FieldErrors::from([(field.to_owned(), vec![sentence.to_owned()])]);
        (ErrorCode::ValidationError, "Validation failed", details)
    };
    let kind = kind(record).map_err(|sentence| invalid("type", sentence))?;
    let data = data.ok_or_else(|| invalid("data", "Data must be a JSON object"))?;
    if validate::in_clinic(clinic, data).is_err() {
        let message = "The record belongs to another clinic";
        return Err((ErrorCode::AuthenticationFailed, message, FieldErrors::new()));
    }
    let identified = records::read(kind, data, stamps.limits, stamps.accepted_at)
        .map_err(|details| (ErrorCode::ValidationError, "Validation failed", details))?;
    Ok(Event::accept(identified, validate::origin(clinic, data.raw().text(), stamps)))
}

/// The specification's four types.
fn kind(record: &Object<'_>) -> Result<Kind, &'static str> {
    let word = record.get("type").and_then(Raw::as_str).unwrap_or_default();
    match word.parse() {
        Ok(kind @ (Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment)) => Ok(kind),
        _ => Err("Type must be one of: patient, doctor, service, appointment"),
    }
}
