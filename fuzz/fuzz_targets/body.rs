//! A body from its bytes to a record: whatever comes, it is a record that passed every rule, or named faults. It must never be read
//! differently the second time.
#![no_main]

use careq_shared::json;
use careq_shared::records::{self, Kind, Limits};
use careq_shared::{canonical, clock, redact};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let shape = redact::shape(bytes);
    assert!(!shape.is_empty());
    let Ok(fields) = json::object(bytes) else { return };
    for kind in Kind::ALL {
        match records::read(kind, &fields, Limits::NONE, clock::now()) {
            Ok(identified) => {
                assert_eq!(identified.record.kind(), kind);
                assert!(identified.careq_id > 0 && !identified.clinic_id.is_empty());
                // The one spelling of what was sent says the same.
                let text = canonical::text(&Value::Object(fields.clone()));
                let again = json::object(text.as_bytes()).expect("the canonical text is JSON");
                assert_eq!(records::read(kind, &again, Limits::NONE, clock::now()), Ok(identified));
            }
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
});
