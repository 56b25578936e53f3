//! `X-API-Key` and `X-Webhook-Secret` (API specification, "Authentication"). A clinic that has such a secret requires the header; for
//! others the header is ignored.

use axum::http::HeaderMap;
use careq_http::single_header;
use careq_shared::clinics::Credential;
use careq_shared::secret::Digest;
use chrono::{DateTime, Utc};
use subtle::{Choice, ConstantTimeEq as _};

/// Whether the header holds one of the secrets, or no secret is required. Takes as long for a missing header as for a wrong one.
pub(super) fn is_valid(
    headers: &HeaderMap,
    name: &str,
    secrets: &[Credential<Digest>],
    now: DateTime<Utc>,
) -> Choice {
    let (sent, is_sent) = match single_header(headers, name) {
        Ok(Some(sent)) => (Digest::new(sent), Choice::from(1)),
        Ok(None) | Err(_) => (Digest::new(""), Choice::from(0)),
    };
    let matches = |secret: &Credential<Digest>| {
        secret.verifier.as_bytes().ct_eq(sent.as_bytes()) & Choice::from(u8::from(secret.is_current(now)))
    };
    let not_required = Choice::from(u8::from(secrets.is_empty()));
    secrets.iter().fold(not_required, |is_valid, secret| is_valid | (is_sent & matches(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_ignored_unless_the_clinic_has_a_secret() {
        let is_valid = |sent: &[&'static str], secrets: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append("x-api-key", value.parse().unwrap());
            }
            let secret = |text: &&str| Credential { verifier: Digest::new(text), expires_at: None };
            let secrets: Vec<_> = secrets.iter().map(secret).collect();
            bool::from(super::is_valid(&headers, "x-api-key", &secrets, DateTime::UNIX_EPOCH))
        };
        assert!(is_valid(&[], &[]) && is_valid(&["key"], &[]));
        assert!(is_valid(&["key"], &["key"]) && is_valid(&["key"], &["old", "key"]));
        assert!(!is_valid(&[], &["key"]) && !is_valid(&["other"], &["key"]));
        assert!(!is_valid(&["key", "key"], &["key"]) && !is_valid(&[], &[""]));
    }
}
