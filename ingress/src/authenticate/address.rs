//! The allowed networks of a clinic (API specification, "IP Whitelisting").

use careq_http::Client;
use careq_shared::networks::Networks;
use subtle::Choice;

/// Whether the client is in an allowed network. A clinic without networks may call from anywhere.
pub(super) fn is_allowed(client: Client, networks: &Networks) -> Choice {
    Choice::from(u8::from(networks.is_empty() || client.is_in(networks)))
}
