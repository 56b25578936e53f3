//! Access to a value in its canonical spelling. Each method takes at most linear time.

#![expect(
    clippy::expect_used,
    reason = "a list or an object without its values would be stored as an empty one"
)]

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The reason why a list or an object can always be read.
const CHECKED: &str = "the text is canonical JSON";

/// A value within a [`Document`](super::Document).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Raw({} bytes)", self.0.len())
    }
}

impl<'a> Raw<'a> {
    pub(crate) const fn from_canonical(text: &'a str) -> Self {
        Self(text)
    }

    /// The canonical spelling.
    pub const fn text(self) -> &'a str {
        self.0
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Whether it is a text.
    pub fn is_text(self) -> bool {
        self.0.starts_with('"')
    }

    /// Whether it is a list.
    pub fn is_list(self) -> bool {
        self.0.starts_with('[')
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// The text without its escapes; `None` for another value or half of a surrogate pair.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str(self.0).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }

    /// The digits of a number.
    pub fn as_number(self) -> Option<&'a str> {
        self.0.starts_with(|letter: char| letter == '-' || letter.is_ascii_digit()).then_some(self.0)
    }

    /// A whole number that fits into 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        self.as_number()?.parse().ok()
    }

    /// `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The values of a list.
    pub fn as_list(self) -> Option<Vec<Raw<'a>>> {
        let values: Vec<&RawValue> = self.is_list().then(|| serde_json::from_str(self.0).expect(CHECKED))?;
        Some(values.into_iter().map(|value| Raw(value.get())).collect())
    }

    /// The members of an object.
    pub fn as_object(self) -> Option<Object<'a>> {
        let Members(members) = self.is_object().then(|| serde_json::from_str(self.0).expect(CHECKED))?;
        let all = members.len();
        let read = |(name, value): (Raw<'a>, Raw<'a>)| name.as_str().map(|name| (name, value));
        let members: Vec<_> = members.into_iter().filter_map(read).collect();
        Some(Object { raw: self, has_unreadable_name: members.len() < all, members })
    }

    /// Whether every text in it, including names, is Unicode. RFC 8259 allows `"\ud83d"`, which is half of a
    /// surrogate pair.
    pub fn is_unicode(self) -> bool {
        // The canonical spelling writes only halves as escapes of surrogates.
        !self.has_escape(|digits| digits.starts_with(b"d"))
    }

    /// Whether a text or a name in it has a NUL character.
    pub fn has_nul(self) -> bool {
        self.has_escape(|digits| digits == b"0000")
    }

    /// Whether a text or a name in it has such a `\u` escape.
    fn has_escape(self, is_meant: impl Fn(&[u8]) -> bool) -> bool {
        let mut rest = self.0.as_bytes();
        while let Some(position) = rest.iter().position(|byte| *byte == b'\\') {
            let (_, escape) = rest.split_at(position + 1);
            let Some((letter, after)) = escape.split_first() else { return false };
            if *letter == b'u' && after.get(..4).is_some_and(&is_meant) {
                return true;
            }
            // An escaped backslash begins no escape.
            rest = after;
        }
        false
    }
}

/// The members of an object, by name. Of several members with one name, the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<'a> {
    raw: Raw<'a>,
    /// Sorted by name, as in the canonical spelling.
    members: Vec<(Cow<'a, str>, Raw<'a>)>,
    has_unreadable_name: bool,
}

impl<'a> Object<'a> {
    /// An object without members.
    pub const fn empty() -> Self {
        Self { raw: Raw("{}"), members: Vec::new(), has_unreadable_name: false }
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<Raw<'a>> {
        let place = self.members.binary_search_by(|(member, _)| member.as_ref().cmp(name)).ok()?;
        self.members.get(place).map(|(_, value)| *value)
    }

    /// The members with Unicode names, sorted by name.
    pub fn members(&self) -> impl Iterator<Item = (&str, Raw<'a>)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// Whether the name of a member has half of a surrogate pair.
    pub const fn has_unreadable_name(&self) -> bool {
        self.has_unreadable_name
    }

    /// The object as a value.
    pub const fn raw(&self) -> Raw<'a> {
        self.raw
    }
}

/// Names and values as written. A borrowed [`RawValue`] is a request to the parser itself, which no name can imitate.
struct Members<'a>(Vec<(Raw<'a>, Raw<'a>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EachMember;

        impl<'de> Visitor<'de> for EachMember {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push((Raw(name.get()), Raw(value.get())));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(EachMember)
    }
}
