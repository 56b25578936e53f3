//! From JSON to an event that has passed every field rule. The idempotency key must never be guessed: it is sent, or it
//! follows from the content.

use axum::http::HeaderMap;
use careq_http::single;
use careq_shared::clinics::Clinic;
use careq_shared::event::{Event, Origin};
use careq_shared::json::{Document, Object, Raw};
use careq_shared::records::{self, Kind, Limits};
use chrono::{DateTime, Utc};

use crate::authenticate::same_clinic;
use crate::problem::Problem;

/// What validation needs besides the body.
#[derive(Debug)]
pub(crate) struct Stamps {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) accepted_at: DateTime<Utc>,
    pub(crate) limits: Limits,
}

/// An event of a verified body.
pub(crate) fn event(kind: Kind, clinic: &Clinic, body: &Document, stamps: Stamps) -> Result<Event, Problem> {
    let fields = body.object();
    let identified = in_clinic(clinic, &fields)
        .and_then(|()| {
            records::read(kind, &fields, stamps.limits, stamps.accepted_at).map_err(Problem::validation)
        })
        .map_err(|problem| problem.about(body))?;
    Ok(Event::accept(identified, origin(clinic, body.text(), stamps)))
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

/// Checks that a body speaks of its caller's clinic, if it names one at all.
pub(crate) fn in_clinic(clinic: &Clinic, body: &Object<'_>) -> Result<(), Problem> {
    let named = body.get("clinic_id").and_then(Raw::as_str).filter(|clinic_id| !clinic_id.is_empty());
    same_clinic(clinic, named.as_deref())
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
