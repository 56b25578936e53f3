//! The way of a batch: one message, so it is accepted whole or not at all. A bad record must never hold back a good one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use careq_http::BodyLimits;
use careq_shared::broker::Queue;
use careq_shared::canonical;
use careq_shared::clinics::Clinic;
use careq_shared::event::Event;
use careq_shared::ids;
use careq_shared::message::{Batch, Content, Entry, Message, RefusedEntry, Verdict};
use careq_shared::outcome::{self, ErrorCode};
use careq_shared::records::{self, FieldErrors, Kind};
use chrono::TimeDelta;
use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::authenticate::{Caller, Verified, same_clinic};
use crate::ingress::Ingress;
use crate::overload::Overload;
use crate::prefer::Preference;
use crate::problem::Problem;
use crate::receive;
use crate::validate::{self, Stamps, named_clinic};
use crate::{answer, door, publish, report, trace, webhook};

/// Most records of one batch.
const MOST_RECORDS: usize = 1_000;

/// Longest `batch_id`, in characters.
const LONGEST_ID: usize = 255;

/// Answers `POST /batch`.
pub(crate) async fn handle(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    accept(&ingress, request).await.unwrap_or_else(Problem::into_response)
}

async fn accept(ingress: &Arc<Ingress>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::authentication_failed)?;
    let preference = Preference::of(&parts.headers).granted(ingress.has_room_to_wait());

    let share = ingress.batch_room.share(&caller.clinic.clinic_id);
    let receiving = receive::body_into(share, &parts.headers, body, body_limits(ingress));
    let (body, share) = receiving.instrument(trace::receive()).await?;
    let about = |problem: Problem| problem.about(&body);
    let verified = door::verify(ingress, caller, body.clone())?;
    // A part of what the confirm may take, so that 503 comes hardly later than to a webhook.
    let turning = ingress.batch_room.turn(body.len(), ingress.publish_timeout / 4);
    let turn = turning.instrument(trace::turn()).await.ok_or_else(|| Overload::Turns.refuse())?;
    let verified = verified.read(|body| receive::json_object(&parts.headers, body)).map_err(about)?;
    let clinic = Arc::clone(&verified.clinic);
    let batch = validate(ingress, verified).map_err(about)?;
    let (batch_id, listing) = (batch.batch_id.clone(), batch.listing());
    let receipt = ids::batch_receipt(&clinic.event_key, &batch_id, &batch.content_digest);

    let budget = webhook::budget(ingress, preference, ingress.settings.batch_answer_within_ms);
    let expectation = ingress.results.expect(Queue::Bulk, budget);
    let message = Message { reply_to: expectation.reply_to.clone(), content: Content::Batch(batch) };
    let preference = preference.granted(expectation.is_granted());
    let confirmed = publish::confirmed(ingress, Queue::Bulk, &message).await;
    drop(message);
    confirmed.map_err(about)?;
    // Its listing is all that is needed to wait for its result.
    drop((turn, body, share));

    let answer = match expectation.result().instrument(trace::result()).await {
        Some(Verdict::Batch(results)) => report::of_results(&clinic.clinic_id, &batch_id, &listing, results),
        Some(Verdict::BatchConflict) => Problem::conflict(outcome::BATCH_ID_REUSED).into_response(),
        Some(Verdict::Event(_)) | None => report::queued(&clinic, &batch_id, &receipt, &listing),
    };
    Ok(answer::with_preference(answer, preference))
}

fn body_limits(ingress: &Ingress) -> BodyLimits {
    BodyLimits {
        bytes: ingress.settings.batch_body_limit_bytes,
        within: Duration::from_secs(ingress.settings.body_timeout_s),
    }
}

fn validate(ingress: &Ingress, verified: Verified<Map<String, Value>>) -> Result<Batch, Problem> {
    let Verified { clinic, body } = verified;
    same_clinic(&clinic, named_clinic(&body))?;
    let batch_id = envelope(&body).map_err(Problem::validation)?;
    let text = canonical::text(&body);
    let content_digest =
        clinic.event_key.content_digest(&[clinic.clinic_id.as_bytes(), b"batch", text.as_bytes()]);
    let Some(Value::Array(records)) = body.get("records") else {
        return Err(Problem::server_error("The records could not be read"));
    };
    let accepted_at = ingress.clock.reserve(u32::try_from(records.len()).unwrap_or(u32::MAX));
    // One microsecond apart, so that of two versions without a stamp the later one in the list is the newer.
    let stamps = (0_i64..).map(|position| accepted_at + TimeDelta::microseconds(position));
    let limits = ingress.settings.record_limits();
    let stamps = stamps.map(|accepted_at| Stamps { idempotency_key: None, accepted_at, limits });
    let entries = records.iter().zip(stamps).map(|(record, stamps)| entry(&clinic, record, stamps)).collect();
    Ok(Batch { clinic_id: clinic.clinic_id.clone(), batch_id, content_digest, accepted_at, entries })
}

/// Checks the batch itself; its `batch_id`.
fn envelope(body: &Map<String, Value>) -> Result<String, FieldErrors> {
    let mut errors = FieldErrors::new();
    let mut refuse =
        |field: &str, sentence: &str| errors.entry(field.to_owned()).or_default().push(sentence.to_owned());
    match body.get("clinic_id") {
        Some(Value::String(clinic_id)) if !clinic_id.is_empty() => {}
        _ => refuse("clinic_id", "Clinic id is required"),
    }
    let batch_id = body.get("batch_id").and_then(Value::as_str).unwrap_or_default();
    if batch_id.trim().is_empty() || batch_id.chars().count() > LONGEST_ID || batch_id.contains('\0') {
        refuse("batch_id", "Batch id is required, as text of at most 255 characters without a NUL character");
    }
    match body.get("records") {
        Some(Value::Array(records)) if (1..=MOST_RECORDS).contains(&records.len()) => {}
        _ => refuse("records", "Records must be a list of 1 to 1000 records"),
    }
    let batch_id = batch_id.to_owned();
    if errors.is_empty() { Ok(batch_id) } else { Err(errors) }
}

fn entry(clinic: &Clinic, record: &Value, stamps: Stamps) -> Entry {
    match read(clinic, record, stamps) {
        Ok(event) => Entry::Accepted(Box::new(event)),
        Err((code, message, details)) => Entry::Refused(RefusedEntry {
            kind: kind(record).ok().map(|kind| kind.as_str().to_owned()),
            careq_id: record.get("data").and_then(|data| data.get("careq_id")).and_then(Value::as_i64),
            code,
            message: message.to_owned(),
            details,
        }),
    }
}

type Refusal = (ErrorCode, &'static str, FieldErrors);

fn read(clinic: &Clinic, record: &Value, stamps: Stamps) -> Result<Event, Refusal> {
    let invalid = |field: &str, sentence: &str| {
        let details = FieldErrors::from([(field.to_owned(), vec![sentence.to_owned()])]);
        (ErrorCode::ValidationError, "Validation failed", details)
    };
    let kind = kind(record).map_err(|sentence| invalid("type", sentence))?;
    let Some(Value::Object(data)) = record.get("data") else {
        return Err(invalid("data", "Data must be a JSON object"));
    };
    if same_clinic(clinic, named_clinic(data)).is_err() {
        let message = "The record belongs to another clinic";
        return Err((ErrorCode::AuthenticationFailed, message, FieldErrors::new()));
    }
    let identified = records::read(kind, data, stamps.limits, stamps.accepted_at)
        .map_err(|details| (ErrorCode::ValidationError, "Validation failed", details))?;
    let canonical_body = canonical::text(data);
    Ok(Event::accept(identified, validate::origin(clinic, &canonical_body, stamps)))
}

/// The specification's four types.
fn kind(record: &Value) -> Result<Kind, &'static str> {
    let word = record.get("type").and_then(Value::as_str).unwrap_or_default();
    match word.parse() {
        Ok(kind @ (Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment)) => Ok(kind),
        _ => Err("Type must be one of: patient, doctor, service, appointment"),
    }
}
