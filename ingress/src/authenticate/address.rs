//! Whether a clinic calls from where a request comes from (API specification, "IP Whitelisting").

use careq_http::Client;
use careq_shared::networks::Networks;
use subtle::Choice;

/// A clinic without a list calls from anywhere.
pub(super) fn is_allowed(client: Client, networks: &Networks) -> Choice {
    Choice::from(u8::from(networks.is_empty() || client.is_in(networks)))
}
