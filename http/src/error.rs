//! Error answers in the form of CareQ's API specification ("Error Handling"). An answer does not repeat the request's data.

use std::any::Any;
use std::borrow::Cow;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Extensions, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use careq_shared::clock;
use careq_shared::ids::EventId;
use careq_shared::json::Document;
use careq_shared::outcome::ErrorCode;
use careq_shared::records::FieldErrors;
use careq_shared::redact;
use serde::Serialize;
use serde_with::skip_serializing_none;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

/// `Retry-After` of a 503, in seconds; CareQ's own first delay.
const RETRY_AFTER_S: u64 = 5;

/// An error answer. As an extension of its response, the line of the error log.
#[must_use]
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: FieldErrors,
    event_id: Option<EventId>,
    retry_after_s: Option<u64>,
    extensions: Extensions,
}

/// The members of an error log line that the answer does not have, as an extension of its response.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogDetails {
    pub(crate) cause: Option<String>,
    /// The shape of the payload, without values.
    pub(crate) payload: Option<String>,
    pub(crate) careq_id: Option<i64>,
}

impl ApiError {
    /// An error with a code for programs and a message for a person.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: FieldErrors::new(),
            event_id: None,
            retry_after_s: None,
            extensions: Extensions::new(),
        }
    }

    /// 400
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest.as_str(), message)
    }

    /// 401, with `WWW-Authenticate` (RFC 9110, 11.6.1).
    pub fn authentication_failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::AuthenticationFailed.as_str(), message)
    }

    /// 405
    pub fn method_not_allowed() -> Self {
        let message = "This path does not take this method; the Allow header lists those that it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest.as_str(), message)
    }

    /// 422, with the fields that break a rule.
    pub fn validation(message: impl Into<String>, details: FieldErrors) -> Self {
        let code = ErrorCode::ValidationError.as_str();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message).with_details(details)
    }

    /// 500
    pub fn server_error(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError.as_str(), message)
    }

    /// 503, with `Retry-After`.
    pub fn unavailable(message: impl Into<String>) -> Self {
        let code = ErrorCode::ServerError.as_str();
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).with_retry_after(RETRY_AFTER_S)
    }

    /// Adds `Retry-After` in seconds (RFC 9110, 10.2.3).
    pub fn with_retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Adds messages by field.
    pub fn with_details(self, details: FieldErrors) -> Self {
        Self { details, ..self }
    }

    /// Adds the id of the event, which was accepted despite the error.
    pub fn with_event(self, event_id: &EventId) -> Self {
        Self { event_id: Some(event_id.clone()), ..self }
    }

    /// Adds an extension of the response.
    pub fn with_extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
        self.extensions.insert(extension);
        self
    }

    /// Adds the internal cause to the log line. It must not contain request data.
    pub fn with_cause(self, cause: impl Into<String>) -> Self {
        self.with_log(|log| log.cause = Some(cause.into()))
    }

    /// Adds the shape of a body, see [`redact`], to the log line.
    pub fn with_payload(self, shape: String, careq_id: Option<i64>) -> Self {
        self.with_log(|log| (log.payload, log.careq_id) = (Some(shape), careq_id))
    }

    /// Adds the shape of a body to the log line.
    pub fn with_document(self, body: &Document) -> Self {
        self.with_payload(redact::document_shape(body), redact::careq_id(body))
    }

    fn with_log(mut self, write: impl FnOnce(&mut LogDetails)) -> Self {
        write(self.extensions.get_or_insert_default());
        self
    }

    /// Whether the error log has a line for this error. Errors without log details have none, except for 500.
    fn is_logged(&self) -> bool {
        match self.status {
            // A client that has not authenticated must not be able to fill the error log.
            StatusCode::UNAUTHORIZED => false,
            StatusCode::INTERNAL_SERVER_ERROR => true,
            _ => self.extensions.get::<LogDetails>().is_some(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let is_logged = self.is_logged();
        let body = ErrorBody {
            success: false,
            message: &self.message,
            error: ErrorDetail {
                code: self.code,
                message: Cow::Borrowed(&self.message),
                details: Cow::Borrowed(&self.details),
            },
            errors: (self.code == ErrorCode::ValidationError.as_str()).then_some(&self.details),
            event_id: self.event_id.as_ref(),
            timestamp: timestamp(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if !is_logged {
            self.extensions.remove::<LogDetails>();
        }
        response.extensions_mut().extend(std::mem::take(&mut self.extensions));
        if is_logged {
            response.extensions_mut().insert(self);
        }
        response
    }
}

/// The body of an error answer (API specification, "Error Handling").
// `C` lists the codes.
#[skip_serializing_none]
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody<'error, C> {
    #[schema(schema_with = always::<false>)]
    success: bool,
    /// The same message.
    message: &'error str,
    #[schema(inline)]
    error: ErrorDetail<'error, C>,
    /// The details of a `VALIDATION_ERROR`: the specification's example of a 422 has them here, its section on errors in `details`.
    #[schema(nullable = false, value_type = BTreeMap<String, Vec<String>>, required = false)]
    errors: Option<&'error FieldErrors>,
    /// The event, if it was accepted despite the error.
    #[schema(nullable = false, value_type = String, required = false)]
    event_id: Option<&'error EventId>,
    /// The time of the answer.
    #[schema(format = DateTime)]
    timestamp: String,
}

/// The `error` member of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail<'error, C> {
    /// For programs.
    #[schema(schema_with = <C as utoipa::PartialSchema>::schema)]
    pub code: C,
    /// A message for a person.
    #[schema(value_type = String)]
    pub message: Cow<'error, str>,
    /// Messages by field name.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub details: Cow<'error, FieldErrors>,
}

/// The schema of a boolean that always has this value.
#[must_use]
pub fn always<const VALUE: bool>() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean)).enum_values(Some([VALUE])).build()
}

/// The current time in the format of the specification.
#[must_use]
pub fn timestamp() -> String {
    clock::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Answers a panic of a handler. Its message may quote data, so it is neither answered nor logged; the panic hook of
/// `careq_shared::telemetry` logs the location.
#[must_use]
pub fn catch_panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(|_| ApiError::server_error("Internal server error").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_before_authentication_are_not_in_the_error_log() {
        assert!(!ApiError::authentication_failed("failed").with_cause("cause").is_logged());
        assert!(!ApiError::invalid_request("invalid").is_logged());
        assert!(ApiError::invalid_request("invalid").with_cause("cause").is_logged());
    }
}
