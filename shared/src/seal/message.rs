//! Sealed messages of the broker: `sealed:{key id}.`, then the nonce, the ciphertext and the tag as bytes. Readers of
//! the broker's files and queues cannot read what CareQ has sent.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut as _, Nonce, Tag};

use super::associated_data::AssociatedData;
use super::cipher::{NONCE_BYTES, OpenError, Seal};
use super::sealed::is_key_id;

/// The prefix of a sealed message. A message in clear is JSON, and never begins with it.
const PREFIX: &[u8] = b"sealed:";

const TAG_BYTES: usize = 16;

impl Seal {
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
        let end = rest.iter().position(|byte| *byte == b'.').ok_or(OpenError::Damaged)?;
        let (key_id, rest) = rest.split_at_checked(end).ok_or(OpenError::Damaged)?;
        let key_id =
            str::from_utf8(key_id).ok().filter(|key_id| is_key_id(key_id)).ok_or(OpenError::Damaged)?;
        let key = self.keys().find(|key| key.id == key_id);
        let key = key.ok_or_else(|| OpenError::UnknownKey(key_id.to_owned()))?;
        let (nonce, rest) = rest
            .get(1..)
            .and_then(|rest| rest.split_first_chunk::<NONCE_BYTES>())
            .ok_or(OpenError::Damaged)?;
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
}
