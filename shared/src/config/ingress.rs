//! `[ingress]`. Defaults are in `config.default.toml`, where an operator can read them.

use std::net::SocketAddr;

use chrono::TimeDelta;
use serde::Deserialize;

use crate::networks::Networks;
use crate::records::Limits;

/// `[ingress]`
#[derive(Debug, Clone, Deserialize)]
pub struct IngressConfig {
    /// The address for CareQ's requests.
    pub listen: SocketAddr,
    /// The timeout of a response's wait for its result, in milliseconds; 0 = no wait.
    pub result_timeout_ms: u64,
    /// The same for `POST /batch`.
    pub batch_result_timeout_ms: u64,
    /// Requests per minute and clinic; 0 = no limit.
    pub rate_per_minute: u32,
    /// The number of requests that a clinic may send at once.
    pub rate_burst: u32,
    /// The maximum body of a single webhook, in bytes.
    pub max_body_bytes: usize,
    /// The maximum body of a batch, in bytes. All batches in progress share four times as much.
    pub max_batch_body_bytes: usize,
    /// The maximum size of a request's header section, in bytes.
    pub max_header_bytes: usize,
    /// The maximum number of header fields in a request.
    pub max_header_fields: usize,
    /// The timeout for the header section, for an idle connection, and for an unread response, in seconds.
    pub header_timeout_s: u64,
    /// The timeout for the body, in seconds.
    pub body_timeout_s: u64,
    /// The timeout of a request, from its header section to its response, in seconds.
    pub request_timeout_s: u64,
    /// The maximum number of connections.
    pub max_connections: usize,
    /// The maximum number of connections from one address; 0 = no limit.
    pub max_connections_per_address: usize,
    /// The timeout for the first byte on a new connection, in seconds.
    pub first_byte_timeout_s: u64,
    /// The maximum number of concurrent requests.
    pub max_requests: usize,
    /// Whether the caller's `traceparent` is used.
    pub trust_traceparent: bool,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Networks,
    /// The maximum lead of a record's version over its acceptance, in seconds.
    pub max_clock_skew_s: u32,
    /// The maximum size of notes, prescription, custom field, description or reason, in bytes.
    pub max_long_text_bytes: usize,
    /// The interval at which the clinics are read, in seconds.
    pub clinics_refresh_interval_s: u64,
}

impl IngressConfig {
    /// The limits of the field rules.
    #[must_use]
    pub fn record_limits(&self) -> Limits {
        Limits {
            max_clock_skew: TimeDelta::seconds(self.max_clock_skew_s.into()),
            max_long_text_bytes: self.max_long_text_bytes,
        }
    }

    pub(super) fn faults(&self, require: &mut impl FnMut(bool, &str), publish_timeout_ms: u64) {
        require(
            (1..=5).contains(&self.clinics_refresh_interval_s),
            "ingress.clinics_refresh_interval_s must be from 1 to 5: a clinic that was disabled must not go on for longer",
        );
        require(
            (1..=3_600).contains(&self.header_timeout_s),
            "ingress.header_timeout_s must be from 1 to 3600",
        );
        require(self.body_timeout_s >= 1, "ingress.body_timeout_s must be at least 1");
        require(self.max_header_bytes >= 8_192, "ingress.max_header_bytes must be at least 8192");
        require(self.max_header_fields >= 16, "ingress.max_header_fields must be at least 16");
        require(
            (1..=1_000_000).contains(&self.max_connections),
            "ingress.max_connections must be from 1 to 1000000",
        );
        require(
            (1..=3_600).contains(&self.first_byte_timeout_s),
            "ingress.first_byte_timeout_s must be from 1 to 3600",
        );
        require(self.max_clock_skew_s >= 60, "ingress.max_clock_skew_s must be at least 60: clocks differ");
        require(
            self.max_long_text_bytes >= 1_024,
            "ingress.max_long_text_bytes must be at least 1024: notes are longer than other texts",
        );
        require(self.max_requests >= 1, "ingress.max_requests must be at least 1");
        let stages_ms = self
            .body_timeout_s
            .saturating_mul(1_000)
            .saturating_add(publish_timeout_ms)
            .saturating_add(25_000);
        require(
            self.request_timeout_s.saturating_mul(1_000) >= stages_ms,
            "ingress.request_timeout_s must be at least ingress.body_timeout_s, broker.publish_timeout_ms and 25 s together: it \
             is to end what hangs, and nothing else",
        );
        require(
            self.result_timeout_ms <= 25_000 && self.batch_result_timeout_ms <= 25_000,
            "ingress.result_timeout_ms and ingress.batch_result_timeout_ms must be at most 25000: CareQ gives up after 30 s",
        );
        require(
            self.rate_per_minute == 0 || self.rate_burst >= 1,
            "ingress.rate_burst must be at least 1 where ingress.rate_per_minute is set",
        );
    }
}
