//! The paths of the API that answers refer to.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The base path of the API (specification, "Base URL").
pub(crate) const API: &str = "/api/v1/careq-sync";

/// All but the unreserved characters (RFC 3986, 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The status page of an event, or of the delivery that the receipt names.
pub(crate) fn event_status(event_id: &impl Display, receipt: Option<&str>) -> String {
    match receipt {
        Some(receipt) => format!("{API}/events/{event_id}?receipt={receipt}"),
        None => format!("{API}/events/{event_id}"),
    }
}

/// The status page of a batch.
pub(crate) fn batch_status(batch_id: &str, receipt: &str) -> String {
    format!("{API}/batch/{}?receipt={receipt}", utf8_percent_encode(batch_id, ESCAPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_id_is_escaped_in_a_path() {
        assert_eq!(batch_status("a-Z_0.~", "r"), "/api/v1/careq-sync/batch/a-Z_0.~?receipt=r");
        assert_eq!(batch_status("a/b?c é", "r"), "/api/v1/careq-sync/batch/a%2Fb%3Fc%20%C3%A9?receipt=r");
    }
}
