//! Ids as people type them: the first characters are enough, as long as no other id begins so. A text that is no beginning of an
//! id must never match anything.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PrimaryKeyTrait, QueryFilter as _, QuerySelect as _,
};
use uuid::Uuid;

use crate::Error;

/// Fewer would often be the beginning of several.
const SHORTEST: usize = 4;

/// How much of an id a table shows.
const SHOWN: usize = 8;

/// An id, or its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortId {
    lowest: Uuid,
    highest: Uuid,
}

impl std::str::FromStr for ShortId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|letter| *letter != '-').collect();
        let fits = (SHORTEST..=32).contains(&digits.len());
        let filled = |filler: &str| {
            let whole = format!("{digits}{}", filler.repeat(32_usize.saturating_sub(digits.len())));
            Uuid::parse_str(&whole).ok()
        };
        match (fits, filled("0"), filled("f")) {
            (true, Some(lowest), Some(highest)) => Ok(Self { lowest, highest }),
            _ => Err(format!("an id, or at least its first {SHORTEST} characters, is expected")),
        }
    }
}

impl ShortId {
    /// The beginning of an id, for a table.
    #[must_use]
    pub fn of(id: Uuid) -> String {
        id.simple().to_string().chars().take(SHOWN).collect()
    }

    fn text(self) -> String {
        let (lowest, highest) = (self.lowest.to_string(), self.highest.to_string());
        let same = lowest.chars().zip(highest.chars()).take_while(|(low, high)| low == high);
        same.map(|(letter, _)| letter).collect()
    }

    /// The one id in this column that begins so.
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
        let ids: Vec<Uuid> = select.into_tuple().all(database).await.map_err(|error: DbErr| error)?;
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
    fn the_beginning_of_an_id_is_enough() {
        let id = Uuid::parse_str("6ba7b812-9dad-11d1-80b4-00c04fd430c8").unwrap();
        for text in ["6ba7", "6ba7b812", "6ba7b812-9d", "6ba7b812-9dad-11d1-80b4-00c04fd430c8"] {
            let short: ShortId = text.parse().unwrap();
            assert!(short.lowest <= id && id <= short.highest, "{text}");
            assert_eq!(short.text().trim_end_matches('-'), text);
        }
        for text in ["", "6ba", "6bax", "6ba7b812-9dad-11d1-80b4-00c04fd430c81"] {
            assert!(text.parse::<ShortId>().is_err(), "{text}");
        }
        assert_eq!(ShortId::of(id), "6ba7b812");
    }
}
