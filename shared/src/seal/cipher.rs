//! The keys of a process, and how they seal and open a value or a message (AES-256-GCM, NIST SP 800-38D).
//!
//! A sealed message of the broker is `sealed:{key id}.`, then the nonce, the ciphertext and the tag as bytes. Readers
//! of the broker's files and queues cannot read what CareQ has sent.

use aes_gcm::aead::{Aead as _, AeadInOut as _, KeyInit as _, Nonce, Payload, Tag};
use aes_gcm::{Aes256Gcm, Key};

use super::associated_data::AssociatedData;
use super::sealed::{Sealed, is_key_id};

const NONCE_BYTES: usize = 12;

const TAG_BYTES: usize = 16;

/// The prefix of a sealed message. A message in clear is JSON, and never begins with it.
const PREFIX: &[u8] = b"sealed:";

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
#[expect(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error(
        "it is sealed under the key `{0}`, which seal.keys (CAREQ_SEAL_KEYS) or the key file does not hold"
    )]
    UnknownKey(String),
    #[error("it is damaged, or was sealed for another row")]
    Damaged,
}

impl Seal {
    /// Seals a value under the current key, with a random nonce. One key is safe for 2³² values (NIST SP 800-38D,
    /// 8.3); `README.md` describes rotation.
    ///
    /// # Panics
    /// The value has more than 64 GiB (SP 800-38D, 5.2.1.1), thousands of times the ingress's limit.
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
        let key = self.key(key_id)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Damaged)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data.bytes() };
        key.cipher.decrypt(&Nonce::<Aes256Gcm>::from(*nonce), payload).map_err(|_| OpenError::Damaged)
    }

    /// Returns `former` if it opens to `value`, and seals `value` otherwise. Two sealings of one value differ, so an
    /// unchanged value is not sealed again.
    ///
    /// # Panics
    /// See [`Self::seal`].
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

    /// Seals a message under the current key, in place: a large message exists once.
    ///
    /// # Errors
    /// The message has more than 64 GiB (NIST SP 800-38D, 5.2.1.1).
    pub fn seal_message(&self, mut message: Vec<u8>) -> Result<Vec<u8>, OpenError> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce);
        let tag = self.current.cipher.encrypt_inout_detached(
            &Nonce::<Aes256Gcm>::from(nonce),
            &AssociatedData::message().bytes(),
            message.as_mut_slice().into(),
        );
        let tag = tag.map_err(|_| OpenError::Damaged)?;
        let head = [PREFIX, self.current.id.as_bytes(), b".", &nonce].concat();
        message.reserve_exact(head.len() + TAG_BYTES);
        message.splice(0..0, head);
        message.extend_from_slice(&tag);
        Ok(message)
    }

    /// Opens a message; `None` if it is not sealed.
    ///
    /// # Errors
    /// Its key is unknown, or it is damaged.
    pub fn open_message(&self, sealed: &[u8]) -> Result<Option<Vec<u8>>, OpenError> {
        let Some(rest) = sealed.strip_prefix(PREFIX) else { return Ok(None) };
        let mut parts = rest.splitn(2, |byte| *byte == b'.');
        let key_id = parts.next().and_then(|key_id| str::from_utf8(key_id).ok());
        let key = self.key(key_id.filter(|key_id| is_key_id(key_id)).ok_or(OpenError::Damaged)?)?;
        let rest = parts.next().and_then(|rest| rest.split_first_chunk::<NONCE_BYTES>());
        let (nonce, rest) = rest.ok_or(OpenError::Damaged)?;
        let (content, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenError::Damaged)?;
        let mut body = content.to_vec();
        let (nonce, tag) = (Nonce::<Aes256Gcm>::from(*nonce), Tag::<Aes256Gcm>::from(*tag));
        let opened = key.cipher.decrypt_inout_detached(
            &nonce,
            &AssociatedData::message().bytes(),
            body.as_mut_slice().into(),
            &tag,
        );
        opened.map_err(|_| OpenError::Damaged).map(|()| Some(body))
    }

    /// The id of the current key.
    pub fn current_key(&self) -> &str {
        &self.current.id
    }

    fn keys(&self) -> impl Iterator<Item = &NamedKey> {
        std::iter::once(&self.current).chain(&self.former)
    }

    fn key(&self, id: &str) -> Result<&NamedKey, OpenError> {
        self.keys().find(|key| key.id == id).ok_or_else(|| OpenError::UnknownKey(id.to_owned()))
    }
}

impl NamedKey {
    pub(super) fn new(id: &str, key: [u8; 32]) -> Self {
        Self { id: id.to_owned(), cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)) }
    }
}
