//! The one spelling of a JSON value, and its digest. It must never depend on the order of members or on white
//! space, so that a request sent again is recognised however its sender writes it: members are sorted by name, there is no white space,
//! and numbers keep the digits that they were sent with.

mod spelling;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

pub(crate) use spelling::of_valid;

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

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(sha256(&[b"ab", b"c"]), sha256(&[b"a", b"bc"]));
    }
}
