//! The column type of a price: `numeric` on PostgreSQL, text on SQLite, which has no exact decimals. On SQLite,
//! sea-orm's own decimal passes through a floating-point number.

use rust_decimal::Decimal;
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, StringLen, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbBackend, QueryResult, TryGetError, TryGetable, Value};

use crate::records::Price;

/// A price as the database stores it, with the decimals that were sent. Prices of the same value are equal: 500.10 is
/// 500.1.
#[derive(Debug, Clone)]
pub enum StoredPrice {
    /// PostgreSQL.
    Numeric(Decimal),
    /// SQLite.
    Text(String),
}

impl StoredPrice {
    /// The form that the database stores exactly.
    pub fn new(price: Price, backend: DbBackend) -> Self {
        match backend {
            DbBackend::Sqlite => Self::Text(price.to_string()),
            DbBackend::Postgres | DbBackend::MySql => Self::Numeric(price.amount()),
        }
    }

    /// The amount; `None` if the column holds a foreign text.
    fn amount(&self) -> Option<Decimal> {
        match self {
            Self::Numeric(amount) => Some(*amount),
            Self::Text(text) => Decimal::from_str_exact(text).ok(),
        }
    }
}

impl PartialEq for StoredPrice {
    fn eq(&self, other: &Self) -> bool {
        match (self.amount(), other.amount()) {
            (Some(one), Some(other)) => one == other,
            (None, None) => matches!((self, other), (Self::Text(one), Self::Text(other)) if one == other),
            _ => false,
        }
    }
}

impl Eq for StoredPrice {}

impl From<StoredPrice> for Value {
    fn from(price: StoredPrice) -> Self {
        match price {
            StoredPrice::Numeric(amount) => amount.into(),
            StoredPrice::Text(text) => text.into(),
        }
    }
}

impl Nullable for StoredPrice {
    fn null() -> Value {
        // PostgreSQL refuses a null text for a numeric column; SQLite accepts any null.
        Value::Decimal(None)
    }
}

impl TryGetable for StoredPrice {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        // Text first: PostgreSQL refuses to read a numeric as text, while SQLite would round text into a decimal.
        match Option::<String>::try_get_by(row, index) {
            Ok(Some(text)) => Ok(Self::Text(text)),
            Ok(None) => Err(TryGetError::Null(format!("{index:?}"))),
            Err(_) => Decimal::try_get_by(row, index).map(Self::Numeric),
        }
    }
}

impl ValueType for StoredPrice {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        match value {
            Value::Decimal(Some(amount)) => Ok(Self::Numeric(*amount)),
            Value::String(Some(text)) => Ok(Self::Text(*text)),
            _ => Err(ValueTypeErr),
        }
    }

    fn type_name() -> String {
        "StoredPrice".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::Decimal
    }

    fn column_type() -> ColumnType {
        ColumnType::String(StringLen::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service whose price has another notation is `unchanged` on both databases.
    #[test]
    fn prices_of_the_same_value_are_equal_on_both_databases() {
        let price = |text: &str, backend| StoredPrice::new(text.parse().unwrap(), backend);
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            assert_eq!(price("500.10", backend), price("500.1", backend), "{backend:?}");
            assert_eq!(price("0", backend), price("0.0000", backend), "{backend:?}");
            assert_ne!(price("500.10", backend), price("500.01", backend), "{backend:?}");
        }
        let Value::String(Some(text)) = Value::from(price("500.10", DbBackend::Sqlite)) else { panic!() };
        assert_eq!(*text, "500.10");
    }
}
