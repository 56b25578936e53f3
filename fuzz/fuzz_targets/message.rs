//! Fuzz target: a message from a queue. Arbitrary bytes are an error, or a message that survives serialization.
#![no_main]

use careq_shared::message::{self, Message, Results};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = message::decode::<Message>(bytes) {
        let encoded = message::encode(&decoded).expect("a message can be serialized");
        assert_eq!(message::decode::<Message>(&encoded).expect("a serialized message can be read"), decoded);
    }
    if let Ok(decoded) = message::decode::<Results>(bytes) {
        let encoded = message::encode(&decoded).expect("a message can be serialized");
        assert_eq!(message::decode::<Results>(&encoded).expect("a serialized message can be read"), decoded);
    }
});
