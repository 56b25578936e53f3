//! Tests of keys, values and messages: a value opens with its associated data under its key only.

use std::os::unix::fs::PermissionsExt as _;

use super::{AssociatedData, OpenError, Seal, Sealed, is_well_formed, open};
use crate::config;

const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "new:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn seal(keys: &str) -> Seal {
    let settings = [("CAREQ_SEAL_KEYS".to_owned(), keys.to_owned())];
    open(&config::load(None, settings).unwrap()).unwrap()
}

fn place(row: &str) -> AssociatedData<'_> {
    AssociatedData::aadhar_number(row)
}

#[test]
fn a_value_opens_only_in_its_own_row() {
    let seal = seal(OLD);
    let sealed = seal.seal(place("1"), b"1234-5678-9012");
    assert_eq!(seal.open(place("1"), &sealed).unwrap(), b"1234-5678-9012");
    for elsewhere in [
        place("2"),
        AssociatedData { column: "notes", ..place("1") },
        AssociatedData { table: "doctors", ..place("1") },
    ] {
        assert_eq!(seal.open(elsewhere, &sealed), Err(OpenError::Damaged));
    }
    assert!(!sealed.clone().into_text().contains("1234"));
    assert_ne!(seal.seal(place("1"), b"1234-5678-9012"), sealed, "every sealing has a nonce of its own");
    assert_eq!(seal.keep_or_seal(place("1"), Some(&sealed), b"1234-5678-9012"), sealed);
    assert_ne!(seal.keep_or_seal(place("1"), Some(&sealed), b"other"), sealed);
}

#[test]
fn a_changed_value_does_not_open() {
    let seal = seal(OLD);
    let text = seal.seal(place("1"), b"value").into_text();
    for position in "old.".len()..text.len() - 1 {
        let mut letters: Vec<char> = text.chars().collect();
        letters[position] = if letters[position] == 'A' { 'B' } else { 'A' };
        let changed = Sealed::stored(letters.into_iter().collect());
        assert_eq!(seal.open(place("1"), &changed), Err(OpenError::Damaged), "{position}");
    }
    for text in ["", "old", "old.", "old.AAAA", "value", "1234-5678-9012"] {
        assert_eq!(
            seal.open(place("1"), &Sealed::stored(text.to_owned())),
            Err(OpenError::Damaged),
            "{text}"
        );
    }
}

#[test]
fn the_first_key_seals_and_all_open() {
    let sealed = seal(OLD).seal(place("1"), b"value");
    let both = seal(&format!("{NEW},{OLD}"));
    assert_eq!(both.open(place("1"), &sealed).unwrap(), b"value");
    assert!(both.seal(place("1"), b"value").into_text().starts_with("new."));
    assert_eq!(seal(NEW).open(place("1"), &sealed), Err(OpenError::UnknownKey("old".to_owned())));
    assert!(!format!("{both:?}").contains("ICEi"));
}

#[test]
fn keys_are_refused_without_being_shown() {
    let short = "k:AAAA";
    let repeated = format!("{OLD},{OLD}");
    for keys in
        ["AAAA", "k:", ":AAAA", short, "k k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", repeated.as_str()]
    {
        assert!(!is_well_formed(&keys.into()), "{keys}");
        let settings = [("CAREQ_SEAL_KEYS".to_owned(), keys.to_owned())];
        let fault = config::load(None, settings).unwrap_err().to_string();
        assert!(fault.contains("NAME:KEY") && !fault.contains("AA"), "{fault}");
    }
}

#[test]
fn only_the_embedded_database_makes_a_key_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = ("CAREQ_DATA_DIR".to_owned(), folder.path().join("data").display().to_string());
    let load = |settings: &[(String, String)]| config::load(None, settings.to_vec()).unwrap();
    let first = open(&load(std::slice::from_ref(&data))).unwrap();
    let file = folder.path().join("data/seal.keys");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = first.seal(place("1"), b"value");
    let second = open(&load(std::slice::from_ref(&data))).unwrap();
    assert_eq!(second.open(place("1"), &sealed).unwrap(), b"value", "the second start finds it");

    let postgres = ("CAREQ_DATABASE_URL".to_owned(), "postgres://careq@localhost/careq".to_owned());
    let fault = open(&load(&[data.clone(), postgres.clone()])).unwrap_err().to_string();
    assert!(fault.contains("CAREQ_SEAL_KEYS") && fault.contains("openssl rand"), "{fault}");
    let named = ("CAREQ_SEAL_KEY_FILE".to_owned(), file.display().to_string());
    let from_file = open(&load(&[data, postgres, named])).unwrap();
    assert_eq!(from_file.open(place("1"), &sealed).unwrap(), b"value");
}

#[test]
fn a_message_is_sealed_as_a_whole() {
    let (old, body) = (seal(OLD), br#"{"aadhar_number":"1234-5678-9012"}"#);
    let sealed = old.seal_message(body.to_vec()).unwrap();
    assert!(!sealed.windows(4).any(|piece| piece == b"5678") && sealed.len() < body.len() + 48);
    assert_ne!(old.seal_message(body.to_vec()).unwrap(), sealed, "every sealing has a nonce of its own");
    assert_eq!(seal(&format!("{NEW},{OLD}")).open_message(&sealed).unwrap().unwrap(), body);
    assert_eq!(old.open_message(body).unwrap(), None, "it came in clear");
    assert_eq!(seal(NEW).open_message(&sealed), Err(OpenError::UnknownKey("old".to_owned())));
    for position in "sealed:old.".len()..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert_eq!(old.open_message(&changed), Err(OpenError::Damaged), "{position}");
        assert_eq!(old.open_message(&sealed[..position]), Err(OpenError::Damaged), "{position}");
    }
}
