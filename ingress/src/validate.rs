//! From a JSON document to an event that passes every field rule. The idempotency key is the header, or follows from the content.

use axum::http::HeaderMap;
use careq_http::{ApiError, single_header};
use careq_shared::clinics::Clinic;
use careq_shared::event::{Event, Origin};
use careq_shared::json::{Object, Raw};
use careq_shared::records::{self, FieldErrors, Kind, Limits};
use chrono::{DateTime, Utc};

use crate::response::error;

/// The inputs of validation that are not in the body.
#[derive(Debug)]
pub(crate) struct Acceptance {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) accepted_at: DateTime<Utc>,
    pub(crate) limits: Limits,
}

/// The event of the fields of a record.
pub(crate) fn event(
    kind: Kind,
    clinic: &Clinic,
    fields: &Object<'_>,
    acceptance: Acceptance,
) -> Result<Event, FieldErrors> {
    let Acceptance { idempotency_key, accepted_at, limits } = acceptance;
    let identified = records::read(kind, fields, limits, accepted_at)?;
    let (event_key, canonical_body) = (&clinic.event_key, fields.raw().text());
    Ok(Event::accept(identified, Origin { event_key, idempotency_key, canonical_body, accepted_at }))
}

/// Checks that `clinic_id` of the body, if present, is the caller's clinic.
pub(crate) fn same_clinic(clinic: &Clinic, body: &Object<'_>) -> Result<(), ApiError> {
    match body.get("clinic_id").and_then(Raw::as_str) {
        Some(clinic_id) if !clinic_id.is_empty() && *clinic_id != *clinic.clinic_id => {
            Err(error::authentication_failed())
        }
        _ => Ok(()),
    }
}

/// `Idempotency-Key`: 1 to 255 visible ASCII characters, sent once.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let fits = |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match single_header(headers, "idempotency-key") {
        Ok(None) => Ok(None),
        Ok(Some(key)) if fits(key) => Ok(Some(key.to_owned())),
        Ok(Some(_)) | Err(_) => Err(ApiError::invalid_request(
            "Idempotency-Key must be sent once, as 1 to 255 visible ASCII characters",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_sent_once_in_visible_ascii() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("idempotency-key", value.parse().unwrap());
            }
            idempotency_key(&headers).map_err(drop)
        };
        let longest = "k".repeat(255);
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[&longest]), Ok(Some(longest.clone())));
        for values in [&[""][..], &["a b"], &["key", "key"], &[&format!("{longest}k")]] {
            assert_eq!(read(values), Err(()), "{values:?}");
        }
    }
}
