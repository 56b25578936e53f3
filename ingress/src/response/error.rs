//! The error answers of the webhook API.

use axum::http::StatusCode;
use careq_http::{ApiError, BodyError};
use careq_shared::outcome::{self, ErrorCode, Failure, Parent};
use careq_shared::records::{FieldErrors, Kind};
use careq_shared::telemetry::metrics::{TurnedAway, metrics};

/// The limit that a request exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overload {
    /// `ingress.max_requests` are in flight.
    Requests,
    /// The memory budget has no bytes for a large body or a batch report.
    Bodies,
    /// A large body got no permit in time. Permits are held until the confirm, so a slow broker exhausts them, too.
    Turns,
}

/// 503: a limit of this process is reached. Counted by limit, so that an operator can see which one.
pub(crate) fn overloaded(overload: Overload) -> ApiError {
    let full = match overload {
        Overload::Requests => "requests",
        Overload::Bodies => "bodies",
        Overload::Turns => "turns",
    };
    metrics().turned_away_requests.get_or_create(&TurnedAway { full }).inc();
    ApiError::unavailable("Too many requests are in progress; please send the request again")
}

/// 503: the broker did not confirm the event. If the event was stored nevertheless, a retry is recognised as a duplicate.
pub(crate) fn broker_unavailable() -> ApiError {
    ApiError::unavailable("The request could not be accepted; please send it again")
}

/// 413: the broker does not take a message of this size, so a retry cannot succeed.
pub(crate) fn too_large_for_broker() -> ApiError {
    let message = "The request is too large for the message broker; send it in smaller parts";
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest.as_str(), message)
}

pub(crate) fn from_body(error: BodyError) -> ApiError {
    match error {
        BodyError::NoMemory => overloaded(Overload::Bodies),
        error => error.into(),
    }
}

/// 401: the same answer for every credential.
pub(crate) fn authentication_failed() -> ApiError {
    ApiError::authentication_failed("The request could not be authenticated")
}

pub(crate) fn validation(details: FieldErrors) -> ApiError {
    ApiError::validation("Validation failed", details)
}

pub(crate) fn not_found(message: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, ErrorCode::RecordNotFound.as_str(), message)
}

pub(crate) fn conflict(message: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, ErrorCode::DuplicateRecord.as_str(), message)
}

/// 404 for a status change or a cancellation, 422 for a record. The event was accepted and waits.
pub(crate) fn missing_parents(kind: Kind, missing: &[Parent]) -> ApiError {
    let details = outcome::missing_parents(kind, missing);
    match kind {
        Kind::Status | Kind::Cancel => not_found("Record not found").with_details(details),
        Kind::Patient | Kind::Doctor | Kind::Service | Kind::Appointment => validation(details),
    }
}

/// The final failure of an event: 409 if the caller can correct it, else 500.
pub(crate) fn from_failure(failure: &Failure) -> ApiError {
    match failure.code {
        ErrorCode::DuplicateRecord => conflict(&failure.message),
        _ => ApiError::server_error(&failure.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;

    #[test]
    fn only_a_duplicate_is_a_conflict() {
        let status = |code| from_failure(&Failure { code, message: String::new() }).into_response().status();
        assert_eq!(status(ErrorCode::DuplicateRecord), StatusCode::CONFLICT);
        assert_eq!(status(ErrorCode::ValidationError), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
