//! Tests of hostile and of ordinary bodies.

use proptest::prelude::*;

use super::{Document, MAX_DEPTH, MAX_VALUES, NotAnObject, Raw};

fn parse(text: &str) -> Result<Document, NotAnObject> {
    Document::parse(text.as_bytes())
}

#[test]
fn bodies_that_are_no_objects_are_refused() {
    for (bytes, fault) in [
        (&b"\xff"[..], NotAnObject::Utf8),
        (b"", NotAnObject::Json { line: 1, column: 0 }),
        (b"{\n\"a\": }", NotAnObject::Json { line: 2, column: 6 }),
        (b"{} {}", NotAnObject::Json { line: 1, column: 4 }),
        (b"{\"a\":\"\x01\"}", NotAnObject::Json { line: 1, column: 6 }),
        (b"[{}]", NotAnObject::OtherValue),
        (b"null", NotAnObject::OtherValue),
    ] {
        assert_eq!(Document::parse(bytes), Err(fault));
    }
    let deep = |depth: usize| format!("{}{}{}", r#"{"a":"#.repeat(depth), 1, "}".repeat(depth));
    assert!(parse(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&deep(MAX_DEPTH + 1)), Err(NotAnObject::TooDeep));
    let wide = |values: usize| format!(r#"{{"a":[{}]}}"#, vec!["{}"; values - 2].join(","));
    assert!(parse(&wide(MAX_VALUES)).is_ok());
    assert_eq!(parse(&wide(MAX_VALUES + 1)), Err(NotAnObject::TooManyValues));
}

/// `serde_json::Value` would take these for a number, and for JSON text to be parsed again.
#[test]
fn names_that_a_library_keeps_for_itself_are_names_like_others() {
    let document = parse(
        r#"{"careq_id": {"$serde_json::private::Number": "77"}, "a": {"\u0024serde_json::private::RawValue": "7"},
            "$serde_json::private::Number": "5"}"#,
    )
    .unwrap();
    assert_eq!(
        document.text(),
        r#"{"$serde_json::private::Number":"5","a":{"$serde_json::private::RawValue":"7"},"careq_id":{"$serde_json::private::Number":"77"}}"#
    );
    let object = document.object();
    assert_eq!(object.get("careq_id").and_then(Raw::as_i64), None);
    assert!(object.get("careq_id").unwrap().is_object() && object.get("a").unwrap().is_object());
    // Each level holds the next as text. No level is parsed that was not sent as one.
    let nested = (0..12).fold("1".to_owned(), |inner, _| {
        serde_json::json!({ "$serde_json::private::RawValue": inner }).to_string()
    });
    let document = parse(&nested).unwrap();
    let inner = document.object().get("$serde_json::private::RawValue").unwrap();
    assert!(inner.is_text());
}

#[test]
fn values_are_what_they_are_written_as() {
    let document = parse(
        r#"{"text": "a\u0062\n", "plain": "é", "number": -0.50, "whole": 9223372036854775807, "large": 9223372036854775808,
            "exponent": 1e2, "yes": true, "nothing": null, "list": [1, "2", {}], "half": "\ud83d", "\ud83d": 1,
            "pair": "\ud83d\ude00", "same": 1, "s\u0061me": 2}"#,
    )
    .unwrap();
    let object = document.object();
    let get = |name: &str| object.get(name).unwrap();
    assert_eq!((get("text").as_str().unwrap(), get("plain").as_str().unwrap()), ("ab\n".into(), "é".into()));
    assert_eq!((get("number").as_number(), get("number").as_i64()), (Some("-0.50"), None));
    assert_eq!((get("whole").as_i64(), get("large").as_i64()), (Some(i64::MAX), None));
    assert_eq!((get("exponent").as_number(), get("exponent").as_i64()), (Some("1e+2"), None));
    assert_eq!(
        (get("yes").as_bool(), get("nothing").as_bool(), get("text").as_number()),
        (Some(true), None, None)
    );
    assert!(get("nothing").is_null() && !get("yes").is_null());
    let list = get("list").as_list().unwrap();
    assert_eq!(list.iter().map(|value| value.text()).collect::<Vec<_>>(), ["1", "\"2\"", "{}"]);
    assert_eq!((get("half").as_str(), get("half").is_unicode()), (None, false));
    assert_eq!((get("pair").as_str(), get("pair").is_unicode()), (Some("😀".into()), true));
    assert_eq!(get("same").as_i64(), Some(2), "the last one counts");
    assert!(object.has_unreadable_name() && object.get("missing").is_none());
}

#[test]
fn escapes_are_distinguished_from_their_lookalikes() {
    let raw = |text: &str| parse(&format!(r#"{{"a":[{text}]}}"#)).unwrap();
    for (text, is_unicode, has_nul) in [
        (r#""\ud800""#, false, false),
        (r#""\udfff""#, false, false),
        (r#""\uDBFF\uDFFF""#, true, false),
        (r#""\uDFFF\uDBFF""#, false, false),
        (r#""\ud7ff""#, true, false),
        (r#""\\ud800\\u0000""#, true, false),
        (r#""\u0000""#, true, true),
        (r#"{"\u0000":1}"#, true, true),
        (r#"{"\uD83Dx":1}"#, false, false),
        (r#""\\\u0000""#, true, true),
    ] {
        let document = raw(text);
        let raw = document.object().raw();
        assert_eq!((raw.is_unicode(), raw.has_nul()), (is_unicode, has_nul), "{text}");
    }
}

proptest! {
    /// Any bytes are an object or a known error. An object is no longer than the body, except for the signs of
    /// exponents.
    #[test]
    fn any_bytes_are_an_object_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(document) = Document::parse(&bytes) {
            prop_assert_eq!(document.object().raw().text(), document.text());
        }
    }

    #[test]
    fn any_json_like_text_is_an_object_or_a_fault(text in r#"(\{|\}|\[|\]|,|:|"a"|"\\\\ud8"|"\\u00|1e5|-0\.0|true|null| ){0,40}"#) {
        let text = format!("{{\"a\":[{text}]}}");
        if let Ok(document) = Document::parse(text.as_bytes()) {
            prop_assert_eq!(document.object().raw().text(), document.text());
            prop_assert!(document.text().len() <= text.len() + 40);
            prop_assert_eq!(Document::parse(document.text().as_bytes()), Ok(document));
        }
    }
}
