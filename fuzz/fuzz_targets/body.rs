//! Fuzz target: a request body. Arbitrary bytes give a valid record or named errors, and a record survives serialization.
#![no_main]

use careq_shared::json::{Document, NotAnObject};
use careq_shared::records::{self, Kind, Limits};
use careq_shared::{clock, redact};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let shape = redact::shape(bytes);
    assert!(!shape.is_empty());
    let document = match Document::parse(bytes) {
        Ok(document) => document,
        // serde_json agrees for every text within the limits.
        Err(NotAnObject::Json { .. }) => {
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err());
            return;
        }
        Err(_) => return,
    };
    // The canonical text parses to the same document.
    let again = Document::parse(document.text().as_bytes());
    assert_eq!(again.as_ref(), Ok(&document));
    for kind in Kind::ALL {
        match records::read(kind, &document.object(), Limits::NONE, clock::now()) {
            Ok(identified) => {
                assert_eq!(identified.record.kind(), kind);
                assert!(identified.careq_id > 0 && !identified.clinic_id.is_empty());
                let encoded = serde_json::to_vec(&identified.record).expect("a record can be serialized");
                assert!(encoded.len() <= bytes.len() + 4_096);
                let decoded = serde_json::from_slice::<records::Record>(&encoded)
                    .expect("a serialized record can be read");
                assert_eq!(decoded, identified.record);
            }
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
});
