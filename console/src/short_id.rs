//! Ids as people type them: an unambiguous prefix is enough, as in git.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PrimaryKeyTrait, QueryFilter as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::error::Error;

/// The shortest prefix, in hexadecimal digits. A shorter one is often ambiguous.
const MIN_DIGITS: usize = 4;

/// The length of the prefix that tables show, in hexadecimal digits.
const SHOWN_DIGITS: usize = 8;

/// An id, or a prefix of one, as the range of ids that begin with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortId {
    lowest: Uuid,
    highest: Uuid,
}

impl std::str::FromStr for ShortId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|letter| *letter != '-').collect();
        let fits = (MIN_DIGITS..=32).contains(&digits.len());
        let filled = |filler: &str| {
            let whole = format!("{digits}{}", filler.repeat(32_usize.saturating_sub(digits.len())));
            Uuid::parse_str(&whole).ok()
        };
        match (fits, filled("0"), filled("f")) {
            (true, Some(lowest), Some(highest)) => Ok(Self { lowest, highest }),
            _ => Err(format!("an id, or at least its first {MIN_DIGITS} characters, is expected")),
        }
    }
}

impl ShortId {
    /// The prefix of an id, for a table.
    #[must_use]
    pub fn shorten(id: Uuid) -> String {
        id.simple().to_string().chars().take(SHOWN_DIGITS).collect()
    }

    fn text(self) -> String {
        let (lowest, highest) = (self.lowest.to_string(), self.highest.to_string());
        let same = lowest.chars().zip(highest.chars()).take_while(|(low, high)| low == high);
        same.map(|(letter, _)| letter).collect()
    }

    /// The only id in this column with this prefix.
    pub(crate) async fn find<E>(
        self,
        database: &impl ConnectionTrait,
        column: E::Column,
        unknown: fn(String) -> Error,
    ) -> Result<Uuid, Error>
    where
        E: EntityTrait<PrimaryKey: PrimaryKeyTrait>,
    {
        let begins = column.between(self.lowest, self.highest);
        let select = E::find().select_only().column(column).filter(begins).limit(2);
        let ids = select.into_tuple::<Uuid>().all(database).await?;
        match ids.as_slice() {
            [id] => Ok(*id),
            [] => Err(unknown(self.text())),
            _ => Err(Error::Ambiguous(self.text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_an_id_is_enough() {
        let id = Uuid::parse_str("6ba7b812-9dad-11d1-80b4-00c04fd430c8").unwrap();
        for text in ["6ba7", "6ba7b812", "6ba7b812-9d", "6ba7b812-9dad-11d1-80b4-00c04fd430c8"] {
            let short: ShortId = text.parse().unwrap();
            assert!(short.lowest <= id && id <= short.highest, "{text}");
            assert_eq!(short.text().trim_end_matches('-'), text);
        }
        for text in ["", "6ba", "6bax", "6ba7b812-9dad-11d1-80b4-00c04fd430c81"] {
            assert!(text.parse::<ShortId>().is_err(), "{text}");
        }
        assert_eq!(ShortId::shorten(id), "6ba7b812");
    }
}
