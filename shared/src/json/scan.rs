//! Counts the values and levels of a body, before it is parsed. A body within the limits may still be no JSON.

use super::error::{MAX_DEPTH, MAX_VALUES, NotAnObject};

/// Counts the values of a body, without the content of texts. For a body that is not JSON, the count may be wrong,
/// but it covers everything that a parser reads before it fails.
pub(super) fn count_values(bytes: &[u8]) -> Result<usize, NotAnObject> {
    let (mut values, mut depth, mut position) = (1, 0_usize, 0);
    let mut is_first = false;
    while let Some(byte) = bytes.get(position) {
        position += 1;
        if byte.is_ascii_whitespace() {
            continue;
        }
        // A bracket is followed by a value, unless it is closed.
        values += usize::from(is_first && !matches!(byte, b']' | b'}'));
        is_first = false;
        match byte {
            b'"' => position = end_of_text(bytes, position),
            b',' => values += 1,
            b'[' | b'{' => (depth, is_first) = (depth + 1, true),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(NotAnObject::TooDeep);
        }
        if values > MAX_VALUES {
            return Err(NotAnObject::TooManyValues);
        }
    }
    Ok(values)
}

/// The position after the closing quotation mark.
fn end_of_text(bytes: &[u8], mut position: usize) -> usize {
    while let Some(byte) = bytes.get(position) {
        position += match byte {
            b'"' => return position + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_names_and_texts_are_not() {
        for (text, values) in [
            ("", 1),
            ("7", 1),
            ("[]", 1),
            ("[ \n]", 1),
            ("[1]", 2),
            ("{\"a\": 1}", 2),
            ("[[], {}, [\"[,\\\",\"]]", 5),
            (r#"{"a,[{": [1, {"b\\": null}], "c": {}}"#, 6),
            ("\"never closed, [", 1),
            ("\"\\", 1),
        ] {
            assert_eq!(count_values(text.as_bytes()), Ok(values), "{text}");
        }
    }

    #[test]
    fn the_limits_are_exact() {
        let list = |values: usize| format!("[{}]", vec!["0"; values - 1].join(","));
        assert_eq!(count_values(list(MAX_VALUES).as_bytes()), Ok(MAX_VALUES));
        assert_eq!(count_values(list(MAX_VALUES + 1).as_bytes()), Err(NotAnObject::TooManyValues));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(count_values(nested(MAX_DEPTH).as_bytes()), Ok(MAX_DEPTH));
        assert_eq!(count_values(nested(MAX_DEPTH + 1).as_bytes()), Err(NotAnObject::TooDeep));
        assert_eq!(count_values("[".repeat(10_000_000).as_bytes()), Err(NotAnObject::TooDeep));
    }
}
