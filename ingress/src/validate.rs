//! From JSON to an event that has passed every field rule. The idempotency key must never be guessed: it is sent, or it
//! follows from the content.

use axum::http::HeaderMap;
use careq_http::single;
use careq_shared::canonical;
use careq_shared::clinics::Clinic;
use careq_shared::event::{Event, Origin};
use careq_shared::records::{self, Kind, Limits};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::authenticate::{Verified, same_clinic};
use crate::problem::Problem;

/// What validation needs besides the body.
#[derive(Debug)]
pub(crate) struct Stamps {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) accepted_at: DateTime<Utc>,
    pub(crate) limits: Limits,
}

/// An event of a verified body.
pub(crate) fn event(
    kind: Kind,
    verified: Verified<Map<String, Value>>,
    stamps: Stamps,
) -> Result<Event, Problem> {
    let Verified { clinic, body } = verified;
    same_clinic(&clinic, named_clinic(&body))?;
    let identified =
        records::read(kind, &body, stamps.limits, stamps.accepted_at).map_err(Problem::validation)?;
    Ok(Event::accept(identified, origin(&clinic, &canonical::text(&body), stamps)))
}

pub(crate) fn origin<'request>(
    clinic: &'request Clinic,
    canonical_body: &'request str,
    stamps: Stamps,
) -> Origin<'request> {
    Origin {
        event_key: &clinic.event_key,
        idempotency_key: stamps.idempotency_key,
        canonical_body,
        accepted_at: stamps.accepted_at,
    }
}

/// The clinic that a body names, if it names one at all.
pub(crate) fn named_clinic(body: &Map<String, Value>) -> Option<&str> {
    body.get("clinic_id").and_then(Value::as_str).filter(|clinic_id| !clinic_id.is_empty())
}

/// `Idempotency-Key`: 1 to 255 visible ASCII characters, sent once.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let fits = |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match single(headers, "idempotency-key") {
        Ok(None) => Ok(None),
        Ok(Some(key)) if fits(key) => Ok(Some(key.to_owned())),
        Ok(Some(_)) | Err(_) => {
            Err(Problem::invalid("Idempotency-Key must be sent once, as 1 to 255 visible ASCII characters"))
        }
    }
}
