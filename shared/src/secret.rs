//! Secrets that are shown once and verified later: random secrets, and the digests that are stored in their place.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use crate::canonical;

/// The stored form of a secret that is only verified: SHA-256, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest of a secret. It needs no salt, because every secret is random or has at least 32 characters.
    pub fn new(secret: &str) -> Self {
        Self(canonical::sha256_hex(&[secret.as_bytes()]))
    }

    /// A digest read from the database.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The digest for storage.
    pub fn into_text(self) -> String {
        self.0
    }

    /// The bytes for a comparison in constant time.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A secret of 256 random bits, with a prefix for secret scanners.
pub fn random(prefix: &str) -> SecretString {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}
