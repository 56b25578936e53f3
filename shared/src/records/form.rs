//! The field rules, one method each. A form does not stop at the first bad field. It records the message, returns a
//! placeholder, and refuses the whole record at the end, so the caller sees every error at once. A form over an empty
//! object lists the rules of all fields.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::field::{Field, Rule};
use super::limits::Limits;
use super::price::{Price, PriceError};
use crate::instant;
use crate::json::{Object, Raw};

/// The specification's tables allow 512 characters; RFC 5321 allows 254.
const MAX_EMAIL_CHARACTERS: usize = 512;

/// The message for half of a surrogate pair, such as `"\ud83d"`.
const NOT_UNICODE: &str = "must be valid Unicode text";

/// Messages by field name.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// A JSON object that is read field by field.
pub(super) struct Form<'body> {
    fields: &'body Object<'body>,
    limits: Limits,
    accepted_at: DateTime<Utc>,
    errors: FieldErrors,
    /// Filled only if `lists_rules`.
    rules: Vec<Field>,
    lists_rules: bool,
}

impl<'body> Form<'body> {
    pub(super) fn new(fields: &'body Object<'body>, limits: Limits, accepted_at: DateTime<Utc>) -> Self {
        Self {
            fields,
            limits,
            accepted_at,
            errors: FieldErrors::new(),
            rules: Vec::new(),
            lists_rules: false,
        }
    }

    /// The rules that `read` applies, in its order.
    pub(super) fn rules(read: impl FnOnce(&mut Form<'_>)) -> Vec<Field> {
        let none = Object::empty();
        let mut form = Form { lists_rules: true, ..Form::new(&none, Limits::NONE, DateTime::UNIX_EPOCH) };
        read(&mut form);
        form.rules
    }

    fn note(&mut self, name: &'static str, is_required: bool, rule: Rule) {
        if self.lists_rules {
            self.rules.push(Field { name, is_required, rule });
        }
    }

    /// Returns the record, unless a field was refused.
    pub(super) fn finish<T>(mut self, record: T) -> Result<T, FieldErrors> {
        // A field with a rule has been refused already. Other names are not repeated in a message.
        if self.errors.is_empty() && !self.fields.raw().is_unicode() {
            self.errors.insert("(other fields)".to_owned(), vec![format!("Other fields {NOT_UNICODE}")]);
        }
        if self.errors.is_empty() { Ok(record) } else { Err(self.errors) }
    }

    pub(super) fn refuse(&mut self, field: &str, rule: &str) {
        self.errors.entry(field.to_owned()).or_default().push(format!("{} {rule}", label(field)));
    }

    pub(super) fn required_id(&mut self, field: &'static str) -> i64 {
        self.note(field, true, Rule::Id);
        match self.present(field) {
            None => self.missing(field),
            Some(value) => match value.as_i64() {
                Some(id) if id > 0 => return id,
                _ => self.refuse(field, "must be a positive 64-bit integer"),
            },
        }
        0
    }

    pub(super) fn required_text(&mut self, field: &'static str, max_characters: usize) -> String {
        self.note(field, true, Rule::Text { max_characters });
        match self.limited_text(field, max_characters) {
            Some(text) if text.trim().is_empty() => self.refuse(field, "must not be empty"),
            Some(text) => return text,
            None => self.missing_unless_refused(field),
        }
        String::new()
    }

    /// Optional text with a maximum number of characters.
    pub(super) fn text(&mut self, field: &'static str, max_characters: usize) -> Option<String> {
        self.note(field, false, Rule::Text { max_characters });
        self.limited_text(field, max_characters)
    }

    fn limited_text(&mut self, field: &str, max_characters: usize) -> Option<String> {
        let text = self.string(field)?;
        if text.chars().count() > max_characters {
            self.refuse(field, &format!("must be at most {max_characters} characters"));
            return None;
        }
        Some(text)
    }

    /// Optional text of at most [`Limits::max_long_text_bytes`].
    pub(super) fn long_text(&mut self, field: &'static str) -> Option<String> {
        self.note(field, false, Rule::LongText);
        let text = self.string(field)?;
        self.within_long_text(field, text)
    }

    fn within_long_text(&mut self, field: &str, text: String) -> Option<String> {
        let max_bytes = self.limits.max_long_text_bytes;
        if text.len() > max_bytes {
            self.refuse(field, &format!("must be at most {max_bytes} bytes in UTF-8"));
            return None;
        }
        Some(text)
    }

    /// Optional text or JSON, as text of at most [`Limits::max_long_text_bytes`].
    pub(super) fn text_or_json(&mut self, field: &'static str) -> Option<String> {
        self.note(field, false, Rule::TextOrJson);
        let text = self.either_as_text(field)?;
        self.within_long_text(field, text)
    }

    fn either_as_text(&mut self, field: &'static str) -> Option<String> {
        let value = self.present(field)?;
        if value.is_text() {
            return self.string(field);
        }
        if !value.is_object() && !value.is_list() {
            self.refuse(field, "must be text or a JSON object");
            return None;
        }
        if value.has_nul() {
            self.refuse(field, "must not contain a NUL character");
            return None;
        }
        if !value.is_unicode() {
            self.refuse(field, NOT_UNICODE);
            return None;
        }
        Some(value.text().to_owned())
    }

    pub(super) fn required_phone(&mut self, field: &'static str) -> String {
        self.note(field, true, Rule::Phone);
        match self.string(field) {
            Some(phone) if phone.len() == 10 && phone.bytes().all(|byte| byte.is_ascii_digit()) => {
                return phone;
            }
            Some(_) => self.refuse(field, "must be 10 digits"),
            None => self.missing_unless_refused(field),
        }
        String::new()
    }

    /// An optional address (RFC 5321) of at most 512 characters, as in the specification's tables.
    pub(super) fn email(&mut self, field: &'static str) -> Option<String> {
        self.note(field, false, Rule::Email { max_characters: MAX_EMAIL_CHARACTERS });
        let email = self.limited_text(field, MAX_EMAIL_CHARACTERS)?;
        // `Name <address>` of RFC 5322 is not an address.
        let options = email_address::Options::default().without_display_text();
        if email_address::EmailAddress::parse_with_options(&email, options).is_ok() {
            return Some(email);
        }
        self.refuse(field, "format is invalid");
        None
    }

    pub(super) fn one_of(&mut self, field: &'static str, words: &'static [&'static str]) -> Option<String> {
        self.note(field, false, Rule::OneOf { words });
        self.word(field, words)
    }

    fn word(&mut self, field: &str, words: &[&str]) -> Option<String> {
        let word = self.string(field)?;
        if words.contains(&word.as_str()) {
            return Some(word);
        }
        self.refuse(field, &format!("must be one of: {}", words.join(", ")));
        None
    }

    pub(super) fn required_one_of(&mut self, field: &'static str, words: &'static [&'static str]) -> String {
        self.note(field, true, Rule::OneOf { words });
        self.word(field, words).unwrap_or_else(|| {
            self.missing_unless_refused(field);
            String::new()
        })
    }

    /// An optional color, `#rrggbb`.
    pub(super) fn color(&mut self, field: &'static str) -> Option<String> {
        self.note(field, false, Rule::Color);
        let color = self.string(field)?;
        let hexadecimal =
            |digits: &str| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if color.strip_prefix('#').is_some_and(hexadecimal) {
            return Some(color);
        }
        self.refuse(field, "must be a hex color code such as #3498db");
        None
    }

    /// An optional existing day, `YYYY-MM-DD`.
    pub(super) fn date(&mut self, field: &'static str) -> Option<NaiveDate> {
        self.note(field, false, Rule::Date);
        let text = self.string(field)?;
        let date = instant::parse_date(&text);
        if date.is_none() {
            self.refuse(field, "must be an existing date in the format YYYY-MM-DD");
        }
        date
    }

    pub(super) fn required_instant(&mut self, field: &'static str) -> DateTime<Utc> {
        self.note(field, true, Rule::Instant);
        self.moment(field).unwrap_or_else(|| {
            self.missing_unless_refused(field);
            DateTime::UNIX_EPOCH
        })
    }

    /// An optional instant in ISO 8601 with an offset. A local time would be another instant in every time zone.
    pub(super) fn instant(&mut self, field: &'static str) -> Option<DateTime<Utc>> {
        self.note(field, false, Rule::Instant);
        self.moment(field)
    }

    /// The optional version of a record. A version in the far future would make every later version an old one.
    pub(super) fn version(&mut self, field: &'static str) -> Option<DateTime<Utc>> {
        let version = self.instant(field)?;
        if version - self.accepted_at <= self.limits.max_clock_skew {
            return Some(version);
        }
        let skew_s = self.limits.max_clock_skew.num_seconds();
        self.refuse(field, &format!("must not be more than {skew_s} seconds in the future"));
        None
    }

    fn moment(&mut self, field: &str) -> Option<DateTime<Utc>> {
        let text = self.string(field)?;
        let instant = instant::parse(&text);
        if instant.is_none() {
            self.refuse(field, &format!("must be {}", instant::FORM));
        }
        instant
    }

    /// Requires that one instant is after another, unless either was refused.
    pub(super) fn check_order(
        &mut self,
        earlier: &str,
        earlier_at: DateTime<Utc>,
        later: &str,
        later_at: DateTime<Utc>,
    ) {
        let readable = !self.errors.contains_key(earlier) && !self.errors.contains_key(later);
        if readable && later_at <= earlier_at {
            self.refuse(later, &format!("must be after {earlier}"));
        }
    }

    pub(super) fn required_minutes(&mut self, field: &'static str) -> i32 {
        self.note(field, true, Rule::Minutes);
        match self.present(field) {
            None => self.missing(field),
            Some(value) => match value.as_i64().map(i32::try_from) {
                // `-0` is not a plain number.
                Some(Ok(minutes)) if minutes > 0 || value.text() == "0" => return minutes,
                _ => self.refuse(field, "must be a whole number of minutes, not negative"),
            },
        }
        0
    }

    pub(super) fn price(&mut self, field: &'static str) -> Option<Price> {
        self.note(field, false, Rule::Price);
        let Some(number) = self.present(field)?.as_number() else {
            self.refuse(field, "must be a number");
            return None;
        };
        match number.parse() {
            Ok(price) => Some(price),
            Err(fault) => {
                self.refuse(field, &PriceError::to_string(&fault));
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, field: &'static str) -> Option<bool> {
        self.note(field, false, Rule::Boolean);
        let boolean = self.present(field)?.as_bool();
        if boolean.is_none() {
            self.refuse(field, "must be true or false");
        }
        boolean
    }

    /// The value of a field; `None` if it is absent, `null` or `""`, whatever its rule.
    fn present(&self, field: &str) -> Option<Raw<'body>> {
        self.fields.get(field).filter(|value| !value.is_null() && value.text() != "\"\"")
    }

    fn string(&mut self, field: &str) -> Option<String> {
        let value = self.present(field)?;
        match value.as_str() {
            Some(text) if text.contains('\0') => self.refuse(field, "must not contain a NUL character"),
            Some(text) => return Some(text.into_owned()),
            // Half of a surrogate pair.
            None if value.is_text() => self.refuse(field, NOT_UNICODE),
            None => self.refuse(field, "must be text"),
        }
        None
    }

    fn missing(&mut self, field: &str) {
        self.refuse(field, "is required");
    }

    fn missing_unless_refused(&mut self, field: &str) {
        if !self.errors.contains_key(field) {
            self.missing(field);
        }
    }
}

/// A field's name for a person: `Phone number` for `phone_number`.
fn label(field: &str) -> String {
    let words = field.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
