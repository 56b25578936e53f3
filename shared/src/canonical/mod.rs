//! The canonical spelling of a JSON value, and its digest. Members are sorted by name, there is no white space, and
//! numbers keep their digits. A repeated request is therefore recognised, however its sender formats it.

mod spelling;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

pub(crate) use spelling::of_valid;

/// SHA-256 over length-prefixed parts, in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(parts: &[&[u8]]) -> String {
    HEXLOWER.encode(&sha256(parts))
}

/// SHA-256 over length-prefixed parts, as 32 bytes.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    frame(parts, |piece| digest.update(piece));
    digest.finalize().into()
}

/// Passes on each part after its length in eight bytes, so that parts cannot run into each other.
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
