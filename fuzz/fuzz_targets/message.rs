//! Bytes from a queue: whatever comes, it is no message, or one that is written as it was read.
#![no_main]

use careq_shared::message::{self, Message, Results};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = message::decode::<Message>(bytes) {
        let encoded = message::encode(&decoded).expect("what was read can be written");
        assert_eq!(message::decode::<Message>(&encoded).expect("and read again"), decoded);
    }
    if let Ok(decoded) = message::decode::<Results>(bytes) {
        let encoded = message::encode(&decoded).expect("what was read can be written");
        assert_eq!(message::decode::<Results>(&encoded).expect("and read again"), decoded);
    }
});
