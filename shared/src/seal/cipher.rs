//! The keys of a process, and how they seal and open a value (AES-256-GCM, NIST SP 800-38D).

use aes_gcm::aead::{Aead as _, KeyInit as _, Nonce, Payload};
use aes_gcm::{Aes256Gcm, Key};

use super::associated_data::AssociatedData;
use super::sealed::Sealed;

pub(super) const NONCE_BYTES: usize = 12;

/// The keys of a process. The current key seals; all keys open.
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

/// The reason why a value cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The value names a key that this process does not have.
    #[error(
        "it is sealed under the key `{0}`, which seal.keys (CAREQ_SEAL_KEYS) or the key file does not hold"
    )]
    UnknownKey(String),
    /// The value was changed, belongs to another location, or is not a sealed value.
    #[error("it is damaged, or was sealed for another row")]
    Damaged,
}

impl Seal {
    /// Seals a value under the current key, with a random nonce. One key is safe for 2³² values (NIST SP 800-38D,
    /// 8.3); `README.md` describes rotation.
    ///
    /// # Panics
    /// The value has more than 64 GiB (SP 800-38D, 5.2.1.1), thousands of times the ingress's limit.
    #[must_use]
    pub fn seal(&self, associated_data: AssociatedData<'_>, value: &[u8]) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce);
        let payload = Payload { msg: value, aad: &associated_data.bytes() };
        #[expect(clippy::expect_used, reason = "an empty ciphertext would lose the value")]
        let ciphertext = self
            .current
            .cipher
            .encrypt(&Nonce::<Aes256Gcm>::from(nonce), payload)
            .expect("a value has less than 64 GiB");
        Sealed::new(&self.current.id, &[nonce.as_slice(), &ciphertext].concat())
    }

    /// Opens a value.
    ///
    /// # Errors
    /// Its key is unknown, or it was not sealed with this associated data.
    pub fn open(&self, associated_data: AssociatedData<'_>, sealed: &Sealed) -> Result<Vec<u8>, OpenError> {
        let (key_id, bytes) = sealed.parts().ok_or(OpenError::Damaged)?;
        let key = self.keys().find(|key| key.id == key_id);
        let key = key.ok_or_else(|| OpenError::UnknownKey(key_id.to_owned()))?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Damaged)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data.bytes() };
        key.cipher.decrypt(&Nonce::<Aes256Gcm>::from(*nonce), payload).map_err(|_| OpenError::Damaged)
    }

    /// Returns `former` if it opens to `value`, and seals `value` otherwise. Two sealings of one value differ, so an
    /// unchanged value is not sealed again.
    ///
    /// # Panics
    /// See [`Self::seal`].
    #[must_use]
    pub fn keep_or_seal(
        &self,
        associated_data: AssociatedData<'_>,
        former: Option<&Sealed>,
        value: &[u8],
    ) -> Sealed {
        match former {
            Some(sealed) if self.open(associated_data, sealed).is_ok_and(|opened| opened == value) => {
                sealed.clone()
            }
            _ => self.seal(associated_data, value),
        }
    }

    /// The id of the current key.
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
