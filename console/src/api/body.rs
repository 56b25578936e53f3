//! JSON bodies.

use axum::extract::{FromRequest, Request};
use careq_http::{ApiError, BodyLimits};
use serde::de::DeserializeOwned;

use crate::api::error::{self, NUL};

/// A JSON body, within the [`BodyLimits`] that the authentication inserts.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let limits: BodyLimits = careq_http::take_extension(&mut parts)?;
        let bytes = careq_http::read_body(&parts.headers, body, limits).await?;
        let document = careq_http::read_document(&parts.headers, &bytes)?;
        if document.object().raw().has_nul() {
            return Err(error::field("body", NUL));
        }
        let read = serde_json::from_str(document.text());
        read.map(Self).map_err(|fault| error::field("body", without_values(&fault)))
    }
}

/// The message of serde about names of fields and variants. Its other messages quote values, and are replaced.
fn without_values(fault: &serde_json::Error) -> String {
    let sentence = fault.to_string();
    // The line and column are those of the canonical form, which the client has not seen.
    let sentence = sentence.rsplit_once(" at line ").map_or(sentence.as_str(), |(sentence, _)| sentence);
    let quotes_no_value =
        ["missing field", "unknown field", "unknown variant"].iter().any(|start| sentence.starts_with(start));
    let replacement = "it has not the form that /admin/openapi.json describes";
    if quotes_no_value { sentence } else { replacement }.to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[serde(rename = "number")]
        _number: u8,
    }

    #[test]
    fn a_message_quotes_no_value() {
        let message =
            |text: &str| without_values(&serde_json::from_str::<Example>(text).expect_err("it is invalid"));
        assert!(message("{}").starts_with("missing field `number`"));
        assert!(message(r#"{ "name": 1 }"#).starts_with("unknown field `name`"));
        assert!(!message(r#"{ "number": "secret" }"#).contains("secret"));
        assert!(!message(r#"{ "number": 1000 }"#).contains("1000"));
    }
}
