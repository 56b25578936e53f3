//! The canonical spelling of a JSON value, and its digest. Members are sorted by name, there is no white space, and
//! numbers keep their digits. A repeated request is therefore recognised, however its sender formats it.
//!
//! The spelling is written in one pass over valid JSON. The output equals that of `serde_json`, except for halves of
//! surrogate pairs, which `serde_json` does not read (a test checks).

#![expect(clippy::expect_used, reason = "a canonical text with a gap would be digested and stored")]

use std::borrow::Cow;
use std::ops::Range;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The reason why no step of the writer can fail.
const CHECKED: &str = "the grammar has been checked";

/// SHA-256 over length-prefixed parts, in lower-case hexadecimal.
pub fn sha256_hex(parts: &[&[u8]]) -> String {
    HEXLOWER.encode(&sha256(parts))
}

/// SHA-256 over length-prefixed parts, as 32 bytes.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    frame(parts, |piece| digest.update(piece));
    digest.finalize().into()
}

/// Passes on each part after its length in eight bytes, so that parts cannot run into each other.
pub(crate) fn frame(parts: &[&[u8]], mut take: impl FnMut(&[u8])) {
    for part in parts {
        take(&(part.len() as u64).to_be_bytes());
        take(part);
    }
}

/// Writes valid JSON in its canonical spelling. `values` is the number of its values. It recurses to the depth of the
/// text.
pub(crate) fn from_valid(text: &str, values: usize) -> String {
    // An exponent without a sign gets a sign; everything else keeps its length or gets shorter.
    let mut writer = Writer { rest: text, out: String::with_capacity(text.len() + values) };
    writer.value();
    writer.out
}

/// The unread rest of a text, and the output.
struct Writer<'a> {
    rest: &'a str,
    out: String,
}

/// A member in the output.
struct Member<'a> {
    key: Key<'a>,
    /// The range of its name and value.
    written: Range<usize>,
}

/// The sort key of a name: the name without its escapes. A name that is not Unicode is compared by its spelling.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Text(Cow<'a, str>),
    Halves(String),
}

impl<'a> Writer<'a> {
    fn value(&mut self) {
        match self.next() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => {
                let text = self.text();
                write_text(&mut self.out, text);
            }
            _ => self.scalar(),
        }
    }

    /// The next byte that is not white space; it is not consumed.
    fn next(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.bytes().next()
    }

    /// Consumes one byte of punctuation.
    fn skip(&mut self) {
        self.rest = self.rest.get(1..).expect(CHECKED);
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).expect(CHECKED);
        self.rest = rest;
        taken
    }

    /// Consumes a text with its quotation marks.
    fn text(&mut self) -> &'a str {
        let mut end = 1;
        let mut bytes = self.rest.bytes().skip(1);
        while let Some(byte) = bytes.next() {
            end += 1;
            match byte {
                b'"' => break,
                b'\\' => end += bytes.next().map_or(0, |_| 1),
                _ => {}
            }
        }
        self.take(end)
    }

    /// Writes a number, `true`, `false` or `null`.
    fn scalar(&mut self) {
        let is_after = |byte: u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        let end = self.rest.bytes().position(is_after).unwrap_or(self.rest.len());
        let scalar = self.take(end);
        let is_number = scalar.starts_with(|letter: char| letter == '-' || letter.is_ascii_digit());
        match scalar.split_once(['e', 'E']).filter(|_| is_number) {
            Some((digits, exponent)) => {
                let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
                self.out.extend([digits, "e", sign, exponent]);
            }
            None => self.out.push_str(scalar),
        }
    }

    fn list(&mut self) {
        self.skip();
        self.out.push('[');
        while let Some(next) = self.next() {
            match next {
                b']' => break,
                b',' => {
                    self.skip();
                    self.out.push(',');
                }
                _ => self.value(),
            }
        }
        self.skip();
        self.out.push(']');
    }

    fn object(&mut self) {
        self.skip();
        self.out.push('{');
        let begin = self.out.len();
        let mut members: Vec<Member<'a>> = Vec::new();
        while let Some(next) = self.next() {
            match next {
                b'}' => break,
                b',' => self.skip(),
                _ => {
                    if !members.is_empty() {
                        self.out.push(',');
                    }
                    let member = self.member();
                    members.push(member);
                }
            }
        }
        self.skip();
        if !members.is_sorted_by(|one, next| one.key < next.key) {
            self.sort(begin, members);
        }
        self.out.push('}');
    }

    fn member(&mut self) -> Member<'a> {
        let begin = self.out.len();
        let name = self.text();
        write_text(&mut self.out, name);
        let key = key(name, self.out.get(begin..).expect("a name ends where it was written"));
        self.next();
        self.skip();
        self.out.push(':');
        self.value();
        Member { key, written: begin..self.out.len() }
    }

    /// Sorts the members of one object in the output. Of several with one name, only the last stays.
    fn sort(&mut self, begin: usize, mut members: Vec<Member<'a>>) {
        let unsorted = self.out.split_off(begin);
        // The sort is stable.
        members.sort_by(|one, other| one.key.cmp(&other.key));
        let mut members = members.into_iter().peekable();
        while let Some(member) = members.next() {
            if members.peek().is_some_and(|next| next.key == member.key) {
                continue;
            }
            if self.out.len() > begin {
                self.out.push(',');
            }
            let Range { start, end } = member.written;
            self.out.push_str(
                unsorted.get(start - begin..end - begin).expect("a member ends where it was written"),
            );
        }
    }
}

fn key<'a>(name: &'a str, spelled: &str) -> Key<'a> {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Key::Text(Cow::Borrowed(inner)),
        _ => match serde_json::from_str(name) {
            Ok(text) => Key::Text(Cow::Owned(text)),
            Err(_) => Key::Halves(spelled.to_owned()),
        },
    }
}

/// Writes a text, including its quotation marks, with the escapes of `serde_json`: as few as possible.
fn write_text(out: &mut String, mut text: &str) {
    while let Some((plain, escape)) = text.split_once('\\') {
        out.push_str(plain);
        let mut letters = escape.chars();
        match letters.next() {
            Some('u') => {
                let (character, rest) = unicode(letters.as_str());
                write_character(out, character);
                text = rest;
            }
            Some('/') => {
                out.push('/');
                text = letters.as_str();
            }
            other => {
                out.push('\\');
                out.extend(other);
                text = letters.as_str();
            }
        }
    }
    out.push_str(text);
}

/// The character of a `\u` escape, or of two escapes that form a surrogate pair; otherwise the half. And the rest of
/// the text.
fn unicode(digits: &str) -> (Result<char, u32>, &str) {
    let (first, rest) = four_digits(digits);
    if let (0xd800..=0xdbff, Some(second)) = (first, rest.strip_prefix("\\u")) {
        let (low, after) = four_digits(second);
        if let 0xdc00..=0xdfff = low {
            let character = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            return (char::from_u32(character).ok_or(first), after);
        }
    }
    (char::from_u32(first).ok_or(first), rest)
}

fn four_digits(text: &str) -> (u32, &str) {
    let (digits, rest) = text.split_at_checked(4).expect(CHECKED);
    (u32::from_str_radix(digits, 16).expect(CHECKED), rest)
}

fn write_character(out: &mut String, character: Result<char, u32>) {
    match character {
        Ok('"') => out.push_str("\\\""),
        Ok('\\') => out.push_str("\\\\"),
        Ok('\u{8}') => out.push_str("\\b"),
        Ok('\t') => out.push_str("\\t"),
        Ok('\n') => out.push_str("\\n"),
        Ok('\u{c}') => out.push_str("\\f"),
        Ok('\r') => out.push_str("\\r"),
        Ok(control @ '\0'..='\u{1f}') => write_escape(out, u32::from(control)),
        Ok(character) => out.push(character),
        Err(half) => write_escape(out, half),
    }
}

fn write_escape(out: &mut String, code: u32) {
    out.push_str("\\u");
    let digit =
        |shift: u32| char::from_digit((code >> shift) & 0xf, 16).expect("four bits are a hexadecimal digit");
    out.extend([12, 8, 4, 0].map(digit));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Number, Value};

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(sha256(&[b"ab", b"c"]), sha256(&[b"a", b"bc"]));
    }

    fn canonical(text: &str) -> String {
        from_valid(text, 1)
    }

    #[test]
    fn different_notations_have_one_spelling() {
        for (sent, spelled) in [
            (r#" { "b" : 1 , "a" : [ ] , "c" : { } } "#, r#"{"a":[],"b":1,"c":{}}"#),
            (r#"{"a":1,"b":2,"a":3,"\u0061":4}"#, r#"{"a":4,"b":2}"#),
            // Names are sorted by their characters: a quotation mark comes before a letter, and its escape after it.
            (r#"{"\"":1,"A":2,"\n":3,"\u0000":4}"#, r#"{"\u0000":4,"\n":3,"\"":1,"A":2}"#),
            (
                r#"{"b":{"z":[{"y":1,"x":{"2":1,"1":1}}],"a":1}}"#,
                r#"{"b":{"a":1,"z":[{"x":{"1":1,"2":1},"y":1}]}}"#,
            ),
            (
                r#""\u0041\/\u00e9\u0022\u005C\u001F\u007f\ud83d\ude00\b""#,
                "\"A/é\\\"\\\\\\u001f\u{7f}😀\\b\"",
            ),
            (
                "[1E5, 1e-5, 1e+5, -0, 500.10, 0.0, 100000000000000000000]",
                "[1e+5,1e-5,1e+5,-0,500.10,0.0,100000000000000000000]",
            ),
            ("\n\t[true , false,null]\r", "[true,false,null]"),
            // Halves of surrogate pairs, which `serde_json` does not read.
            (
                r#"{"\uD83D":1,"\\ud83d":2,"\ud83d":"\uDE00\uD83Dx\ud83d\ud83d\ude00"}"#,
                r#"{"\\ud83d":2,"\ud83d":"\ude00\ud83dx\ud83d😀"}"#,
            ),
        ] {
            assert_eq!(canonical(sent), spelled, "{sent}");
            assert_eq!(canonical(spelled), spelled);
        }
    }

    /// A value, and the same value in one of its notations.
    fn written() -> impl Strategy<Value = (Value, String)> {
        let number = prop_oneof![any::<i64>().prop_map(Number::from), any::<u64>().prop_map(Number::from)];
        let leaf = prop_oneof![
            Just((Value::Null, "null".to_owned())),
            any::<bool>().prop_map(|yes| (yes.into(), yes.to_string())),
            number.prop_map(|number| (Value::Number(number.clone()), number.to_string())),
            text().prop_map(|(text, written)| (text.into(), written)),
        ];
        leaf.prop_recursive(6, 60, 6, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..6).prop_map(|items| {
                let (values, texts): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                (Value::Array(values), format!("[ {}\t]", texts.join(" ,\n")))
            });
            let object = prop::collection::vec((text(), inner), 0..6).prop_map(|members| {
                let texts: Vec<_> =
                    members.iter().map(|((_, name), (_, text))| format!("{name} : {text}")).collect();
                let members = members.into_iter().map(|((name, _), (value, _))| (name, value));
                (Value::Object(members.collect()), format!("{{{}}}", texts.join(", ")))
            });
            prop_oneof![list, object]
        })
    }

    /// A text, in which each character may be an escape.
    fn text() -> impl Strategy<Value = (String, String)> {
        let letter =
            prop_oneof![any::<char>(), prop::sample::select(vec!['a', 'b', '"', '\\', '/', '\n', '\u{1f}'])];
        prop::collection::vec((letter, any::<bool>()), 0..4).prop_map(|letters| {
            let escaped = |letter: char| {
                let mut units = [0; 2];
                let escapes = letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}"));
                escapes.collect::<Vec<_>>().concat()
            };
            let plain = |letter: char| serde_json::to_string(&letter).unwrap().trim_matches('"').to_owned();
            let written = letters.iter().map(|(letter, is_escaped)| match letter {
                '"' | '\\' if !is_escaped => format!("\\{letter}"),
                _ if *is_escaped => escaped(*letter),
                _ => plain(*letter),
            });
            let written = format!("\"{}\"", written.collect::<String>());
            (letters.iter().map(|(letter, _)| letter).collect(), written)
        })
    }

    proptest! {
        #[test]
        fn the_spelling_is_that_of_serde_json((value, text) in written()) {
            prop_assert_eq!(canonical(&text), serde_json::to_string(&value).unwrap(), "{}", text);
            prop_assert_eq!(canonical(&serde_json::to_string_pretty(&value).unwrap()), value.to_string());
        }
    }
}
