//! `X-CareQ-Signature` (API specification, "Request Signature"): `sha256=` and the HMAC-SHA256 of the raw body in hexadecimal,
//! under the UTF-8 bytes of the clinic's signing secret. It covers the bytes as received and is checked before they are parsed.

use axum::http::HeaderMap;
use careq_http::single_header;
use careq_shared::clinics::Credential;
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::Choice;

/// A signature that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads `sha256=` and 64 hexadecimal digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256=")?.as_bytes();
        Some(Self(HEXLOWER_PERMISSIVE.decode(digits).ok()?.try_into().ok()?))
    }

    /// Whether this is the signature of `body` under `secret`, compared in constant time.
    #[must_use]
    pub fn is_of(self, body: &[u8], secret: &SecretString) -> bool {
        mac(secret).chain_update(body).verify_slice(&self.0).is_ok()
    }
}

fn mac(secret: &SecretString) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, 2)")]
    Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length")
}

/// The signature of a request; `None` if it was not sent, was sent twice, or is malformed.
pub(super) fn sent(headers: &HeaderMap) -> Option<Signature> {
    Signature::read(single_header(headers, "x-careq-signature").ok()??)
}

/// Whether a signature was sent or is not required. Its value is verified with the body.
pub(super) fn is_present(sent: Option<Signature>, secrets: &[Credential<SecretString>]) -> Choice {
    Choice::from(u8::from(secrets.is_empty() || sent.is_some()))
}

/// Whether the body is signed with one of the secrets, or no signature is required.
pub(super) fn is_valid(
    sent: Option<Signature>,
    body: &[u8],
    secrets: &[Credential<SecretString>],
    now: DateTime<Utc>,
) -> Choice {
    let not_required = Choice::from(u8::from(secrets.is_empty()));
    secrets.iter().fold(not_required, |is_valid, secret| {
        let matches = sent.is_some_and(|signature| signature.is_of(body, &secret.verifier));
        is_valid | (Choice::from(u8::from(matches)) & Choice::from(u8::from(secret.is_current(now))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Body, secret, and the signature that OpenSSL 3 makes of them:
    /// `printf '%s' "$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '%s' "$secret" | xxd -p -c 0)`.
    const VECTORS: [(&[u8], &str, &str); 5] = [
        (b"", "a secret of the clinic", "d4f4606d80fc4c21b48cd86b8b796593b3fd211f677f86f84a05f1f7aecbf867"),
        (
            b"{\"careq_id\":1}",
            "careqsign_0123456789abcdef0123456789abcdef",
            "8a7ce041d479b1183201e2a45c140ee215b681c5fa9276226bfee1258c0bd206",
        ),
        (
            b"{\"first_name\": \"Jos\xc3\xa9\"}\n",
            "gehei\u{df} \u{2014} sixteen and more",
            "2504625efa3480713f4b2bfaccfd6316289d9bb12b210f2c8c1df28bba09b14e",
        ),
        (
            b"{\"careq_id\":1}",
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
            "a1fd7eb8df03f253f91b0e297a771494415c1ca1c64154a7bed9267f4be16e43",
        ),
        (
            b"\x00\x01\xfe\xff",
            "a secret of the clinic",
            "5ac3c204bddf5b5a3e759f01427aa7c03ef6d6fcfa17d4a90150aea20b68ef3d",
        ),
    ];

    #[test]
    fn signatures_of_openssl_are_accepted() {
        for (body, secret, signature) in VECTORS {
            let signature = Signature::read(&format!("sha256={signature}")).unwrap();
            assert!(signature.is_of(body, &secret.into()), "{secret}");
            assert!(!signature.is_of(&[body, b" "].concat(), &secret.into()));
            assert!(!signature.is_of(body, &format!("{secret} ").into()));
        }
    }

    #[test]
    fn a_malformed_signature_is_refused() {
        let digits = "a".repeat(64);
        assert!(Signature::read(&format!("sha256={digits}")).is_some());
        assert!(Signature::read(&format!("sha256={}", digits.to_uppercase())).is_some());
        for text in [
            String::new(),
            digits.clone(),
            format!("SHA256={digits}"),
            format!("sha1={digits}"),
            format!("sha256={digits}0"),
            format!("sha256={}", "a".repeat(63)),
            format!("sha256={}g", "a".repeat(63)),
            format!("sha256=+{}", "a".repeat(63)),
            format!("sha256={}é", "a".repeat(62)),
            format!(" sha256={digits}"),
        ] {
            assert_eq!(Signature::read(&text), None, "{text}");
        }
    }
}
