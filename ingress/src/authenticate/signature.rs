//! `X-CareQ-Signature` (API specification, "Request Signature"): `sha256=` and the HMAC-SHA256 of the raw body in hexadecimal,
//! under the UTF-8 bytes of the clinic's signing secret. It must be checked over the bytes as they came, before anything reads
//! them.

use std::str::FromStr;

use axum::http::HeaderMap;
use careq_http::{SentTwiceOrUnreadable, single};
use careq_shared::clinics::Credential;
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::Choice;

const PREFIX: &str = "sha256=";

/// A signature as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

/// A text that is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSignature;

impl FromStr for Signature {
    type Err = NotSignature;

    fn from_str(text: &str) -> Result<Self, NotSignature> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotSignature)?.as_bytes();
        let mut bytes = [0; 32];
        // `decode_mut` panics where the place is not as large as what is decoded.
        if digits.len() != 2 * bytes.len() {
            return Err(NotSignature);
        }
        HEXLOWER_PERMISSIVE.decode_mut(digits, &mut bytes).map_err(|_| NotSignature)?;
        Ok(Self(bytes))
    }
}

impl Signature {
    /// Whether it is that of this body under this secret, compared in constant time.
    #[must_use]
    pub fn is_of(self, body: &[u8], secret: &SecretString) -> bool {
        // HMAC takes keys of any length (RFC 2104, 2).
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&self.0).is_ok())
    }
}

/// What was sent; an error where it is no signature at all.
pub(super) fn sent(headers: &HeaderMap) -> Result<Option<Signature>, SentTwiceOrUnreadable> {
    let sent = single(headers, "x-careq-signature")?;
    sent.map(|text| text.parse().map_err(|_| SentTwiceOrUnreadable)).transpose()
}

/// Whether there is a signature where one is required. What it is worth is known when the body is.
pub(super) fn is_there(
    sent: Result<Option<Signature>, SentTwiceOrUnreadable>,
    secrets: &[Credential<SecretString>],
) -> Choice {
    Choice::from(u8::from(secrets.is_empty() || matches!(sent, Ok(Some(_)))))
}

/// Whether a body is signed with one of the secrets.
pub(super) fn proves(
    sent: Option<Signature>,
    body: &[u8],
    secrets: &[Credential<SecretString>],
    now: DateTime<Utc>,
) -> Choice {
    let nothing_asked = Choice::from(u8::from(secrets.is_empty()));
    secrets.iter().fold(nothing_asked, |proven, secret| {
        let is_this = sent.is_some_and(|signature| signature.is_of(body, &secret.verifier));
        proven | (Choice::from(u8::from(is_this)) & Choice::from(u8::from(secret.is_current(now))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Body, secret, and what OpenSSL 3 says of them:
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
    fn the_signatures_of_openssl_are_ours() {
        for (body, secret, signature) in VECTORS {
            let signature: Signature = format!("sha256={signature}").parse().unwrap();
            assert!(signature.is_of(body, &secret.into()), "{secret}");
            assert!(!signature.is_of(&[body, b" "].concat(), &secret.into()));
            assert!(!signature.is_of(body, &format!("{secret} ").into()));
        }
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let digits = "a".repeat(64);
        assert!(format!("sha256={digits}").parse::<Signature>().is_ok());
        assert!(format!("sha256={}", digits.to_uppercase()).parse::<Signature>().is_ok());
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
            assert_eq!(text.parse::<Signature>(), Err(NotSignature), "{text}");
        }
    }
}
