//! The one spelling of a JSON value, and its digest. It must never depend on the order of members or on white
//! space, so that a request sent again is recognised however its sender writes it.

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The JSON text with members sorted by name and no white space. Numbers keep the digits they were sent with.
///
/// It takes a [`serde_json::Value`] or a map of them: `serde_json` keeps members in a B-tree unless its `preserve_order` feature
/// is on, which it is not here.
#[must_use]
pub fn text(value: &impl Serialize) -> String {
    // What was read as JSON can be written as JSON.
    serde_json::to_string(value).unwrap_or_default()
}

/// SHA-256, in lower-case hexadecimal, over parts that cannot run into each other: each is preceded by its length.
#[must_use]
pub fn sha256_hex(parts: &[&[u8]]) -> String {
    HEXLOWER.encode(&sha256(parts))
}

/// SHA-256 over length-prefixed parts; 32 bytes.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    frame(parts, |piece| digest.update(piece));
    digest.finalize().into()
}

/// Each part after its length in eight bytes.
pub(crate) fn frame(parts: &[&[u8]], mut take: impl FnMut(&[u8])) {
    for part in parts {
        take(&(part.len() as u64).to_be_bytes());
        take(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn order_and_white_space_do_not_matter_but_digits_do() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            text(&parse(r#"{ "b": 1, "a": {"d":null, "c":[1 ,2]} }"#)),
            r#"{"a":{"c":[1,2],"d":null},"b":1}"#
        );
        assert_eq!(text(&parse(r#"{"price":500.10}"#)), r#"{"price":500.10}"#);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(sha256(&[b"ab", b"c"]), sha256(&[b"a", b"bc"]));
    }
}
