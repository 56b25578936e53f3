//! The specification's own examples. They must never be changed to suit the code.

use serde_json::Value;

const EXAMPLES: &str = include_str!("examples.json");

/// The example of a request body, or of an answer's `data`, by its name.
pub(super) fn example(name: &str) -> Option<Value> {
    let examples: Value = serde_json::from_str(EXAMPLES).unwrap_or_default();
    examples.get(name).cloned()
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
            let example = example(kind.as_str()).unwrap();
            let document = Document::parse(example.to_string().as_bytes()).unwrap();
            records::read(kind, &document.object(), Limits::NONE, DateTime::UNIX_EPOCH).unwrap();
        }
    }
}
