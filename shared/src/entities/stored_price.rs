//! A price in its column: `numeric` on PostgreSQL, text on SQLite, which has no exact decimals. sea-orm's own decimal must
//! never be used on SQLite: it passes through a floating-point number.

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, StringLen, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbBackend, QueryResult, TryGetError, TryGetable, Value};

use crate::records::Price;

/// A price as one of the two databases keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredPrice {
    /// PostgreSQL.
    Numeric(rust_decimal::Decimal),
    /// SQLite.
    Text(String),
}

impl StoredPrice {
    /// The form that this database keeps exactly.
    #[must_use]
    pub fn new(price: Price, backend: DbBackend) -> Self {
        match backend {
            DbBackend::Sqlite => Self::Text(price.to_string()),
            DbBackend::Postgres | DbBackend::MySql => Self::Numeric(price.amount()),
        }
    }
}

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
        // PostgreSQL would refuse a null text for a numeric column; to SQLite any null is the same.
        Value::Decimal(None)
    }
}

impl TryGetable for StoredPrice {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        // Text first: PostgreSQL refuses to read a numeric as text, while SQLite would round text into a decimal.
        match Option::<String>::try_get_by(row, index) {
            Ok(Some(text)) => Ok(Self::Text(text)),
            Ok(None) => Err(TryGetError::Null(format!("{index:?}"))),
            Err(_) => rust_decimal::Decimal::try_get_by(row, index).map(Self::Numeric),
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
