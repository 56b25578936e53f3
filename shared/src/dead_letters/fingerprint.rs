//! The fingerprint of a cause: class, code, kind, and the message without the parts that differ between events. It
//! does not depend on a patient's data or on the number of attempts.

use super::state::Class;
use crate::canonical;

/// The length in hexadecimal digits: short enough to be typed, and long enough for thousands of causes.
const CHARACTERS: usize = 12;

/// The fingerprint of a dead letter.
pub fn fingerprint(class: Class, code: &str, kind: Option<&str>, message: &str) -> String {
    let cause = cause(message);
    let parts = [class.as_str(), code, kind.unwrap_or(""), &cause];
    canonical::sha256_hex(&parts.map(str::as_bytes)).chars().take(CHARACTERS).collect()
}

/// The message with `#` in place of numbers and ids. A number after the word `error` names the cause, and stays.
fn cause(message: &str) -> String {
    let mut cause = String::with_capacity(message.len());
    let mut before = "";
    for piece in message.split_inclusive(|letter: char| !is_of_a_word(letter)) {
        let (word, rest) = piece.split_at(piece.trim_end_matches(|letter: char| !is_of_a_word(letter)).len());
        cause.push_str(if is_an_id(word) && before != "error" { "#" } else { word });
        cause.push_str(rest);
        if !word.is_empty() {
            before = word;
        }
    }
    cause
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-')
}

/// Whether a word is an id: digits, with or without signs between them, or a long mixture of digits and letters.
fn is_an_id(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let has_letters = word.chars().any(char::is_alphabetic);
    digits > 0 && (!has_letters || word.starts_with("evt_") || (word.len() >= 32 && digits >= 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient_fingerprint(message: &str) -> String {
        fingerprint(Class::Data, "SERVER_ERROR", Some("patient"), message)
    }

    #[test]
    fn numbers_and_ids_do_not_matter_but_causes_do() {
        assert_eq!(
            cause("Waited for patient 7, doctor 12 until 2025-12-10"),
            "Waited for patient #, doctor # until #"
        );
        assert_eq!(
            cause("refused: error 23514, constraint poison_2 of patients"),
            "refused: error 23514, constraint poison_2 of patients"
        );
        assert_eq!(
            cause("event evt_cAAAAAAAAAAHoexample1 of 6ba7b812-9dad-11d1-80b4-00c04fd430c8"),
            "event # of #"
        );
        assert_eq!(
            patient_fingerprint("The hash belongs to appointment 7"),
            patient_fingerprint("The hash belongs to appointment 8")
        );
        assert_ne!(patient_fingerprint("error 23514"), patient_fingerprint("error 23502"));
        assert_ne!(patient_fingerprint("x"), fingerprint(Class::Data, "SERVER_ERROR", Some("doctor"), "x"));
        assert_eq!(patient_fingerprint("x").len(), CHARACTERS);
    }
}
