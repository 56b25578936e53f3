//! The field rules, one method each. A form does not stop at the first bad field. It records the message, returns a
//! placeholder, and refuses the whole record at the end, so the caller sees every error at once. A form over an empty
//! object lists the rules of all fields.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::field::{Field, Rule};
use super::price::{Price, PriceError};
use crate::instant;
use crate::json::{Object, Raw};

/// The specification's tables allow 512 characters; RFC 5321 allows 254.
const MAX_EMAIL_CHARACTERS: usize = 512;

const NUL: &str = "must not contain a NUL character";

/// The message for half of a surrogate pair, such as `"\ud83d"`.
const NOT_UNICODE: &str = "must be valid Unicode text";

/// Messages by field name.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// A value, or the rule that it breaks.
type Checked<T> = Result<T, Cow<'static, str>>;

/// The limits of the field rules that an installation sets (`[ingress]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum lead of a record's version over its acceptance.
    pub max_clock_skew: TimeDelta,
    /// The maximum size of notes, prescription, custom field, description or reason, in bytes of UTF-8.
    pub max_long_text_bytes: usize,
}

impl Limits {
    /// No limits, for records that were accepted before.
    pub const NONE: Self = Self { max_clock_skew: TimeDelta::MAX, max_long_text_bytes: usize::MAX };
}

/// A JSON object that is read field by field.
pub(super) struct Form<'body> {
    fields: &'body Object<'body>,
    limits: Limits,
    accepted_at: DateTime<Utc>,
    errors: FieldErrors,
    /// The rules of the fields that were read, if they are listed.
    rules: Option<Vec<Field>>,
}

impl<'body> Form<'body> {
    pub(super) fn new(fields: &'body Object<'body>, limits: Limits, accepted_at: DateTime<Utc>) -> Self {
        Self { fields, limits, accepted_at, errors: FieldErrors::new(), rules: None }
    }

    /// The rules that `read` applies, in its order.
    pub(super) fn rules(read: impl FnOnce(&mut Form<'_>)) -> Vec<Field> {
        let none = Object::empty();
        let mut form =
            Form { rules: Some(Vec::new()), ..Form::new(&none, Limits::NONE, DateTime::UNIX_EPOCH) };
        read(&mut form);
        form.rules.unwrap_or_default()
    }

    /// Returns the record, unless a field was refused.
    pub(super) fn finish<T>(mut self, record: T) -> Result<T, FieldErrors> {
        // A field with a rule has been refused already. Other names are not repeated in a message.
        if self.errors.is_empty() && !self.fields.raw().is_unicode() {
            self.errors.insert("(other fields)".to_owned(), vec![format!("Other fields {NOT_UNICODE}")]);
        }
        if self.errors.is_empty() { Ok(record) } else { Err(self.errors) }
    }

    fn refuse(&mut self, field: &str, rule: &str) {
        self.errors.entry(field.to_owned()).or_default().push(format!("{} {rule}", label(field)));
    }

    /// Reads a field by its rule. A field is absent if it is missing, `null` or `""`, whatever its rule.
    fn field<T>(
        &mut self,
        name: &'static str,
        is_required: bool,
        rule: Rule,
        check: impl FnOnce(Raw<'body>) -> Checked<T>,
    ) -> Option<T> {
        if let Some(rules) = &mut self.rules {
            rules.push(Field { name, is_required, rule });
        }
        let value = self.fields.get(name).filter(|value| !value.is_null() && value.text() != "\"\"");
        let broken = match value.map(check) {
            Some(Ok(value)) => return Some(value),
            Some(Err(broken)) => broken,
            None if is_required => "is required".into(),
            None => return None,
        };
        self.refuse(name, &broken);
        None
    }

    /// A required field; a placeholder if it is refused.
    fn required<T: Default>(
        &mut self,
        name: &'static str,
        rule: Rule,
        check: impl FnOnce(Raw<'body>) -> Checked<T>,
    ) -> T {
        self.field(name, true, rule, check).unwrap_or_default()
    }

    pub(super) fn required_id(&mut self, name: &'static str) -> i64 {
        self.required(name, Rule::Id, |value| {
            let id = value.as_i64().filter(|id| *id > 0);
            id.ok_or("must be a positive 64-bit integer".into())
        })
    }

    pub(super) fn required_text(&mut self, name: &'static str, max_characters: usize) -> String {
        self.required(name, Rule::Text { max_characters }, |value| {
            let text = limited_text(value, max_characters)?;
            if text.trim().is_empty() { Err("must not be empty".into()) } else { Ok(text) }
        })
    }

    /// Optional text with a maximum number of characters.
    pub(super) fn text(&mut self, name: &'static str, max_characters: usize) -> Option<String> {
        self.field(name, false, Rule::Text { max_characters }, |value| limited_text(value, max_characters))
    }

    /// Optional text of at most [`Limits::max_long_text_bytes`].
    pub(super) fn long_text(&mut self, name: &'static str) -> Option<String> {
        let max_bytes = self.limits.max_long_text_bytes;
        self.field(name, false, Rule::LongText, |value| within(string(value)?, max_bytes))
    }

    /// Optional text or JSON, as text of at most [`Limits::max_long_text_bytes`].
    pub(super) fn text_or_json(&mut self, name: &'static str) -> Option<String> {
        let max_bytes = self.limits.max_long_text_bytes;
        self.field(name, false, Rule::TextOrJson, |value| within(text_or_json(value)?, max_bytes))
    }

    pub(super) fn required_phone(&mut self, name: &'static str) -> String {
        self.required(name, Rule::Phone, |value| {
            let phone = string(value)?;
            let is_phone = phone.len() == 10 && phone.bytes().all(|byte| byte.is_ascii_digit());
            if is_phone { Ok(phone) } else { Err("must be 10 digits".into()) }
        })
    }

    /// An optional address (RFC 5321) of at most 512 characters, as in the specification's tables.
    pub(super) fn email(&mut self, name: &'static str) -> Option<String> {
        self.field(name, false, Rule::Email { max_characters: MAX_EMAIL_CHARACTERS }, |value| {
            let email = limited_text(value, MAX_EMAIL_CHARACTERS)?;
            // `Name <address>` of RFC 5322 is not an address.
            let options = email_address::Options::default().without_display_text();
            let is_address = email_address::EmailAddress::parse_with_options(&email, options).is_ok();
            if is_address { Ok(email) } else { Err("format is invalid".into()) }
        })
    }

    pub(super) fn one_of(&mut self, name: &'static str, words: &'static [&'static str]) -> Option<String> {
        self.field(name, false, Rule::OneOf { words }, |value| word(value, words))
    }

    pub(super) fn required_one_of(&mut self, name: &'static str, words: &'static [&'static str]) -> String {
        self.required(name, Rule::OneOf { words }, |value| word(value, words))
    }

    /// An optional color, `#rrggbb`.
    pub(super) fn color(&mut self, name: &'static str) -> Option<String> {
        self.field(name, false, Rule::Color, |value| {
            let color = string(value)?;
            let digits = color.strip_prefix('#').filter(|digits| digits.len() == 6);
            let is_color = digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            if is_color { Ok(color) } else { Err("must be a hex color code such as #3498db".into()) }
        })
    }

    /// An optional existing day, `YYYY-MM-DD`.
    pub(super) fn date(&mut self, name: &'static str) -> Option<NaiveDate> {
        self.field(name, false, Rule::Date, |value| {
            let date = instant::parse_date(&string(value)?);
            date.ok_or("must be an existing date in the format YYYY-MM-DD".into())
        })
    }

    pub(super) fn required_instant(&mut self, name: &'static str) -> DateTime<Utc> {
        self.required(name, Rule::Instant, moment)
    }

    /// An optional instant in ISO 8601 with an offset. A local time would be another instant in every time zone.
    pub(super) fn instant(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        self.field(name, false, Rule::Instant, moment)
    }

    /// The optional version of a record. A version in the far future would make every later version an old one.
    pub(super) fn version(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        let (accepted_at, max_skew) = (self.accepted_at, self.limits.max_clock_skew);
        self.field(name, false, Rule::Instant, |value| {
            let version = moment(value)?;
            if version - accepted_at > max_skew {
                let skew_s = max_skew.num_seconds();
                return Err(format!("must not be more than {skew_s} seconds in the future").into());
            }
            Ok(version)
        })
    }

    /// Requires that one instant is after another, unless either was refused.
    pub(super) fn check_order(
        &mut self,
        (earlier, earlier_at): (&str, DateTime<Utc>),
        (later, later_at): (&str, DateTime<Utc>),
    ) {
        let readable = !self.errors.contains_key(earlier) && !self.errors.contains_key(later);
        if readable && later_at <= earlier_at {
            self.refuse(later, &format!("must be after {earlier}"));
        }
    }

    pub(super) fn required_minutes(&mut self, name: &'static str) -> i32 {
        let minutes =
            self.field(name, true, Rule::Minutes, |value| match value.as_i64().map(i32::try_from) {
                // `-0` is not a plain number.
                Some(Ok(minutes)) if minutes > 0 || value.text() == "0" => Ok(minutes),
                _ => Err("must be a whole number of minutes, not negative".into()),
            });
        minutes.unwrap_or_default()
    }

    pub(super) fn price(&mut self, name: &'static str) -> Option<Price> {
        self.field(name, false, Rule::Price, |value| {
            let number = value.as_number().ok_or("must be a number")?;
            number.parse().map_err(|fault: PriceError| fault.to_string().into())
        })
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.field(name, false, Rule::Boolean, |value| value.as_bool().ok_or("must be true or false".into()))
    }
}

fn string(value: Raw<'_>) -> Checked<String> {
    match value.as_str() {
        Some(text) if text.contains('\0') => Err(NUL.into()),
        Some(text) => Ok(text.into_owned()),
        // Half of a surrogate pair.
        None if value.is_text() => Err(NOT_UNICODE.into()),
        None => Err("must be text".into()),
    }
}

fn limited_text(value: Raw<'_>, max_characters: usize) -> Checked<String> {
    let text = string(value)?;
    let fits = text.chars().count() <= max_characters;
    if fits { Ok(text) } else { Err(format!("must be at most {max_characters} characters").into()) }
}

fn within(text: String, max_bytes: usize) -> Checked<String> {
    let fits = text.len() <= max_bytes;
    if fits { Ok(text) } else { Err(format!("must be at most {max_bytes} bytes in UTF-8").into()) }
}

fn text_or_json(value: Raw<'_>) -> Checked<String> {
    if value.is_text() {
        return string(value);
    }
    if !value.is_object() && !value.is_list() {
        Err("must be text or a JSON object".into())
    } else if value.has_nul() {
        Err(NUL.into())
    } else if value.is_unicode() {
        Ok(value.text().to_owned())
    } else {
        Err(NOT_UNICODE.into())
    }
}

fn word(value: Raw<'_>, words: &[&str]) -> Checked<String> {
    let word = string(value)?;
    let is_known = words.contains(&word.as_str());
    if is_known { Ok(word) } else { Err(format!("must be one of: {}", words.join(", ")).into()) }
}

fn moment(value: Raw<'_>) -> Checked<DateTime<Utc>> {
    instant::parse(&string(value)?).ok_or_else(|| format!("must be {}", instant::FORM).into())
}

/// A word for the beginning of a sentence: `Phone number` for `phone_number`.
pub(super) fn label(word: &str) -> String {
    let words = word.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
