//! The four kinds of secret of a clinic.

use std::fmt;

/// The kind of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    /// `Authorization: Bearer`
    Token,
    /// `X-API-Key`
    ApiKey,
    /// `X-Webhook-Secret`
    WebhookSecret,
    /// The key of `X-CareQ-Signature`
    SigningSecret,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Token, Self::ApiKey, Self::WebhookSecret, Self::SigningSecret];

    /// The word, the prefix of a random secret, and the minimum length of a chosen one.
    const fn row(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::Token => ("token", "careq_", 32),
            Self::ApiKey => ("api_key", "careqkey_", 32),
            Self::WebhookSecret => ("webhook_secret", "careqhook_", 32),
            Self::SigningSecret => ("signing_secret", "careqsign_", 16),
        }
    }

    /// The word in the `kind` column and in JSON.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The prefix of a random secret, for secret scanners.
    pub const fn prefix(self) -> &'static str {
        self.row().1
    }

    /// The minimum length of a chosen secret. A secret that is stored as a digest must resist a search.
    pub const fn min_length(self) -> usize {
        self.row().2
    }
}

impl fmt::Display for CredentialKind {
    /// Writes the spelling of the command line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.as_str().replace('_', "-"))
    }
}
