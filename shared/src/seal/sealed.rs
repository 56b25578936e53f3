//! A sealed value as its column holds it: `{key id}.{base64 of nonce and ciphertext}`. It must never be printed: even sealed,
//! it is a patient's.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::DeriveValueType;

/// A sealed value, with the id of its key beside it. Written for its column alone.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct Sealed(String);

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealed(..)")
    }
}

/// 1 to 32 letters, digits, `-` and `_`: fit to be printed, whatever a column holds.
pub(super) fn is_key_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(fits)
}

impl Sealed {
    pub(super) fn new(key_id: &str, bytes: &[u8]) -> Self {
        Self(format!("{key_id}.{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Key id, and nonce with ciphertext.
    pub(super) fn parts(&self) -> Option<(&str, Vec<u8>)> {
        let (key_id, text) = self.0.split_once('.').filter(|(key_id, _)| is_key_id(key_id))?;
        Some((key_id, URL_SAFE_NO_PAD.decode(text).ok()?))
    }

    /// What every value that is sealed under this key begins with.
    pub(super) fn prefix(key_id: &str) -> String {
        format!("{key_id}.")
    }

    /// Takes what a column holds; whether it is a sealed value is for [`super::Seal::open`] to say.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The same from a column of bytes.
    #[must_use]
    pub fn stored_bytes(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// How many bytes its column holds.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.0.len()
    }

    /// For a column of text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// For a column of bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}
