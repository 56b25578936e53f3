//! The keys of a process, and how they seal and open a value (AES-256-GCM, NIST SP 800-38D).

use aes_gcm::aead::{Aead as _, KeyInit as _, Nonce, Payload};
use aes_gcm::{Aes256Gcm, Key};

use super::associated_data::AssociatedData;
use super::sealed::Sealed;

pub(super) const NONCE_BYTES: usize = 12;

/// The keys of a process. What is sealed is sealed under the current one; all of them open.
#[derive(Clone)]
pub struct Seal {
    pub(super) current: NamedKey,
    pub(super) former: Vec<NamedKey>,
}

#[derive(Clone)]
pub(super) struct NamedKey {
    pub(super) id: String,
    pub(super) cipher: Aes256Gcm,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.keys().map(|key| &key.id).collect();
        formatter.debug_struct("Seal").field("keys", &ids).finish()
    }
}

/// A value that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It names a key that this process does not have.
    #[error(
        "it is sealed under the key `{0}`, which seal.keys (CAREQ_SEAL_KEYS) or the key file does not hold"
    )]
    UnknownKey(String),
    /// It was changed, or belongs elsewhere, or is no sealed value.
    #[error("it is damaged, or was sealed for another row")]
    Damaged,
}

impl Seal {
    /// Seals a value for its place, under the current key and with a random nonce. One key is good for 2³² values (NIST SP
    /// 800-38D, 8.3); a rotation long before is described in `README.md`.
    ///
    /// # Panics
    /// The value has more than 64 GiB (SP 800-38D, 5.2.1.1), thousands of times what the ingress takes.
    #[must_use]
    pub fn seal(&self, place: AssociatedData<'_>, value: &[u8]) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce);
        let payload = Payload { msg: value, aad: &place.bytes() };
        #[expect(
            clippy::expect_used,
            reason = "an empty ciphertext in the place of a value would lose the value"
        )]
        let ciphertext = self
            .current
            .cipher
            .encrypt(&Nonce::<Aes256Gcm>::from(nonce), payload)
            .expect("a value has less than 64 GiB");
        Sealed::new(&self.current.id, &[nonce.as_slice(), &ciphertext].concat())
    }

    /// The value.
    ///
    /// # Errors
    /// Its key is unknown, or it was not sealed for this place.
    pub fn open(&self, place: AssociatedData<'_>, sealed: &Sealed) -> Result<Vec<u8>, OpenError> {
        let (key_id, bytes) = sealed.parts().ok_or(OpenError::Damaged)?;
        let key = self.keys().find(|key| key.id == key_id);
        let key = key.ok_or_else(|| OpenError::UnknownKey(key_id.to_owned()))?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Damaged)?;
        let payload = Payload { msg: ciphertext, aad: &place.bytes() };
        key.cipher.decrypt(&Nonce::<Aes256Gcm>::from(*nonce), payload).map_err(|_| OpenError::Damaged)
    }

    /// What is stored where `former` stood, so that it says `value`: the same sealed value if it says so already, for two
    /// sealings of one value differ.
    ///
    /// # Panics
    /// See [`Self::seal`].
    #[must_use]
    pub fn keep_or_seal(&self, place: AssociatedData<'_>, former: Option<&Sealed>, value: &[u8]) -> Sealed {
        match former {
            Some(sealed) if self.open(place, sealed).is_ok_and(|opened| opened == value) => sealed.clone(),
            _ => self.seal(place, value),
        }
    }

    /// The id of the key that seals now.
    #[must_use]
    pub fn current_key(&self) -> &str {
        &self.current.id
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &NamedKey> {
        std::iter::once(&self.current).chain(&self.former)
    }
}

impl NamedKey {
    pub(super) fn new(id: &str, key: [u8; 32]) -> Self {
        Self { id: id.to_owned(), cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)) }
    }
}
