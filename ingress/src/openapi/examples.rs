//! The examples of the API specification, unchanged.

use serde_json::Value;

const EXAMPLES: &str = include_str!("examples.json");

/// The example of a request body, or of an answer's `data`.
#[expect(clippy::expect_used, reason = "the examples are part of the program, and a test reads each of them")]
pub(super) fn example(name: &str) -> Value {
    let examples: Value = serde_json::from_str(EXAMPLES).expect("the examples are JSON");
    examples.get(name).expect("the example exists").clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use careq_shared::json::Document;
    use careq_shared::records::{self, Kind, Limits};
    use chrono::DateTime;

    #[test]
    fn the_examples_pass_the_field_rules() {
        for kind in Kind::ALL {
            let example = example(kind.as_str());
            let document = Document::parse(example.to_string().as_bytes()).unwrap();
            records::read(kind, &document.object(), Limits::NONE, DateTime::UNIX_EPOCH).unwrap();
        }
    }

    #[test]
    fn the_examples_of_answers_exist() {
        for name in ["created", "updated", "batch", "batch_report"] {
            assert!(example(name).is_object(), "{name}");
        }
    }
}
