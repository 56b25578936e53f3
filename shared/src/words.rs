//! Closed sets of words as enums. Each word is written once, for columns, JSON, the command line and messages. A
//! stored word cannot be renamed.

/// Defines an enum whose variants are words: `as_str`, `ALL`, `Display`, `FromStr`, serde, the value of a text
/// column, and an OpenAPI schema. The calling crate needs serde, sea-orm and utoipa. A word is matched as `tt`, since utoipa does not
/// read the attributes of a matched `literal`.
#[macro_export]
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:tt,)+ }) => {
        $(#[$about])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, sea_orm::DeriveValueType, utoipa::ToSchema,
        )]
        #[sea_orm(value_type = "String")]
        pub enum $name { $($(#[$what])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every variant.
            pub const ALL: [Self; [$($word,)+].len()] = [$(Self::$variant,)+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.into_iter().find(|known| known.as_str() == word);
                known.ok_or_else(|| $crate::words::UnknownWord(Self::ALL.map(Self::as_str).join(", ")))
            }
        }
    };
}

/// A text that is not one of the words, which are listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be one of: {0}")]
pub struct UnknownWord(pub String);
