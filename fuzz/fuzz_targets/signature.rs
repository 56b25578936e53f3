//! Fuzz target: `X-CareQ-Signature`. Arbitrary text is no signature, or one that does not match another body and secret.
#![no_main]

use careq_ingress::Signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(signature) = Signature::read(text) else { return };
    let digits = text.strip_prefix("sha256=").expect("it has the prefix");
    assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert!(!signature.is_of(b"an unsigned body", &"an unused secret".into()));
});
