//! Secrets that are handed out once and checked for ever: random ones, and the digests that are stored of them. A secret itself
//! must never be stored in clear.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use crate::canonical;

/// What is stored of a secret that need not be readable: SHA-256, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest of a secret. It needs no salt: every secret is random, or at least 32 characters long.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(canonical::sha256_hex(&[secret.as_bytes()]))
    }

    /// A digest as it was stored.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// To be stored.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// For a comparison in constant time.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// 256 random bits behind a prefix that secret scanners can find.
#[must_use]
pub fn random(prefix: &str) -> SecretString {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}
