//! The secret of a clinic from which its digests and ids are derived. Without it, a copy of the database does not
//! allow guesses at the content of a request. It is stored sealed, and never changes, because a repeated request has
//! the same ids.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::canonical;
use crate::seal::{AssociatedData, OpenError, Seal, Sealed};

const BYTES: usize = 32;

/// 32 random bytes, generated with the clinic.
#[derive(Clone)]
pub struct EventKey([u8; BYTES]);

impl fmt::Debug for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EventKey(..)")
    }
}

impl EventKey {
    /// The key with these bytes.
    pub fn new(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// A new random key.
    pub fn random() -> Self {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes);
        Self(bytes)
    }

    /// The key as `clinics.event_key` stores it.
    pub fn sealed(&self, seal: &Seal, clinic_id: &str) -> Sealed {
        seal.seal(AssociatedData::event_key(clinic_id), &self.0)
    }

    /// Opens the key that [`Self::sealed`] sealed for this clinic.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(seal: &Seal, clinic_id: &str, sealed: &Sealed) -> Result<Self, OpenError> {
        let bytes = seal.open(AssociatedData::event_key(clinic_id), sealed)?;
        bytes.try_into().map(Self).map_err(|_| OpenError::Damaged)
    }

    /// HMAC-SHA256 over length-prefixed parts, in lower-case hexadecimal. A plain digest would allow a search for the
    /// Aadhaar number in a row whose other fields are known.
    pub fn content_digest(&self, parts: &[&[u8]]) -> String {
        // No id and no receipt begins with a zero byte, so the three uses of the key cannot collide.
        let mut mac = self.mac(b"\0content");
        canonical::frame(parts, |piece| mac.update(piece));
        HEXLOWER.encode(&mac.finalize().into_bytes())
    }

    /// HMAC-SHA256 with these bytes as the beginning of its input.
    pub(crate) fn mac(&self, beginning: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "a MAC under any other key would prove nothing")]
        Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("HMAC takes a key of any length (RFC 2104)")
            .chain_update(beginning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_the_key_and_on_every_part() {
        let digest = |key: u8, parts: &[&[u8]]| EventKey::new([key; BYTES]).content_digest(parts);
        assert_eq!(digest(1, &[b"ab", b"c"]), digest(1, &[b"ab", b"c"]));
        assert_ne!(digest(1, &[b"ab", b"c"]), digest(2, &[b"ab", b"c"]));
        assert_ne!(digest(1, &[b"ab", b"c"]), digest(1, &[b"a", b"bc"]));
    }

    /// `printf '\0content\0\0\0\0\0\0\0\2ab\0\0\0\0\0\0\0\1c' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…`
    #[test]
    fn openssl_computes_the_same_digest() {
        let expected = "a6b28014a4178577a1b9f7fd77ffb25084f8c3b1e4e3b5a426306aa189310806";
        assert_eq!(EventKey::new([1; BYTES]).content_digest(&[b"ab", b"c"]), expected);
    }
}
