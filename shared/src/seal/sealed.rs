//! A sealed value as its column stores it: `{key id}.{base64 of nonce and ciphertext}`. `Debug` does not print it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::DeriveValueType;

/// A sealed value, with the id of its key.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct Sealed(String);

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealed(..)")
    }
}

/// Whether a text is a key id: 1 to 32 letters, digits, `-` and `_`. Such an id can be printed, whatever a column
/// holds.
pub(super) fn is_key_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(fits)
}

impl Sealed {
    pub(super) fn new(key_id: &str, bytes: &[u8]) -> Self {
        Self(format!("{key_id}.{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The key id, and the nonce with the ciphertext.
    pub(super) fn parts(&self) -> Option<(&str, Vec<u8>)> {
        let (key_id, text) = self.0.split_once('.').filter(|(key_id, _)| is_key_id(key_id))?;
        Some((key_id, URL_SAFE_NO_PAD.decode(text).ok()?))
    }

    /// The prefix of every value sealed under this key.
    pub(super) fn prefix(key_id: &str) -> String {
        format!("{key_id}.")
    }

    /// Wraps the text of a column. [`super::Seal::open`] verifies it.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Wraps the bytes of a column.
    pub fn stored_bytes(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The size in its column, in bytes.
    pub const fn size(&self) -> usize {
        self.0.len()
    }

    /// The value for a column of text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// The value for a column of bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}
