//! The secret of a clinic from which its digests and ids are made. Without it, nobody who has the database can try out what a
//! request said; it must never be stored but sealed, nor change, since a request sent again has the same ids.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::canonical;
use crate::seal::{AssociatedData, OpenError, Seal, Sealed};

const BYTES: usize = 32;

/// 32 random bytes, made with the clinic.
#[derive(Clone)]
pub struct EventKey([u8; BYTES]);

impl fmt::Debug for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EventKey(..)")
    }
}

impl EventKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// A key that nobody has had before.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes);
        Self(bytes)
    }

    /// As `clinics.event_key` keeps it.
    #[must_use]
    pub fn sealed(&self, seal: &Seal, clinic_id: &str) -> Sealed {
        seal.seal(AssociatedData::event_key(clinic_id), &self.0)
    }

    /// The key that [`Self::sealed`] sealed for this clinic.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(seal: &Seal, clinic_id: &str, sealed: &Sealed) -> Result<Self, OpenError> {
        let bytes = seal.open(AssociatedData::event_key(clinic_id), sealed)?;
        bytes.try_into().map(Self).map_err(|_| OpenError::Damaged)
    }

    /// HMAC-SHA256, in lower-case hexadecimal, over parts that cannot run into each other. A plain digest would do to compare
    /// contents, but whoever knows the rest of a row could try all Aadhaar numbers against it.
    #[must_use]
    pub fn content_digest(&self, parts: &[&[u8]]) -> String {
        // No id and no receipt begins with a zero byte.
        let mut mac = self.mac(b"\0content");
        canonical::frame(parts, |piece| mac.update(piece));
        HEXLOWER.encode(&mac.finalize().into_bytes())
    }

    /// HMAC-SHA256 of what begins with these bytes.
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
