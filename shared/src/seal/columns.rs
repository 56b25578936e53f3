//! The sealed columns, each with its associated data. A column that is missing here would not be re-encrypted after a
//! rotation.

use sea_orm::sea_query::{Alias, Expr, Query, SelectStatement, UpdateStatement};
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::associated_data::AssociatedData;
use super::sealed::Sealed;

/// A sealed column.
pub(super) struct SealedColumn {
    /// Table and column, without a row.
    place: AssociatedData<'static>,
    id: &'static str,
    /// Whether ids are UUIDs; otherwise they are texts.
    has_uuids: bool,
    /// Whether values are bytes; otherwise they are texts.
    has_bytes: bool,
    /// The condition for rows with a sealed value, if other rows have another kind of value.
    applies: Option<&'static str>,
}

const fn column(place: AssociatedData<'static>, id: &'static str) -> SealedColumn {
    SealedColumn { place, id, has_uuids: false, has_bytes: false, applies: None }
}

/// Every sealed column.
pub(super) const COLUMNS: [SealedColumn; 5] = [
    SealedColumn { has_bytes: true, ..column(AssociatedData::event_key(""), "clinic_id") },
    SealedColumn {
        has_uuids: true,
        applies: Some("kind = 'signing_secret'"),
        ..column(AssociatedData::signing_secret(""), "id")
    },
    SealedColumn { has_uuids: true, ..column(AssociatedData::aadhar_number(""), "id") },
    column(AssociatedData::parked_event(""), "event_id"),
    SealedColumn { has_uuids: true, has_bytes: true, ..column(AssociatedData::dead_letter(""), "id") },
];

/// A row with a sealed value.
pub(super) struct SealedRow {
    pub(super) id: Value,
    /// The row's part of the associated data.
    key: String,
    pub(super) sealed: Sealed,
}

impl SealedRow {
    pub(super) fn associated_data(&self, column: &SealedColumn) -> AssociatedData<'_> {
        AssociatedData { row: &self.key, ..column.place }
    }
}

impl SealedColumn {
    fn table(&self) -> Alias {
        Alias::new(self.place.table)
    }

    pub(super) fn id(&self) -> Alias {
        Alias::new(self.id)
    }

    pub(super) fn value(&self) -> Alias {
        Alias::new(self.place.column)
    }

    /// Selects the rows with a sealed value, without columns.
    pub(super) fn select(&self) -> SelectStatement {
        let applies = self.applies.map_or_else(|| Expr::col(self.value()).is_not_null(), Expr::cust);
        Query::select().from(self.table()).and_where(applies).to_owned()
    }

    /// Updates the value of a row, unless it has changed.
    pub(super) fn update(&self, row: &SealedRow, sealed: Sealed) -> UpdateStatement {
        let mut update = Query::update();
        update.table(self.table()).value(self.value(), self.stored(sealed));
        update.and_where(Expr::col(self.id()).eq(row.id.clone()));
        update.and_where(Expr::col(self.value()).eq(self.stored(row.sealed.clone())));
        update
    }

    /// The selected rows.
    pub(super) async fn rows(
        &self,
        database: &impl ConnectionTrait,
        mut select: SelectStatement,
    ) -> Result<Vec<SealedRow>, DbErr> {
        let select = database.get_database_backend().build(select.columns([self.id(), self.value()]));
        let mut rows = Vec::new();
        for row in database.query_all(select).await? {
            let (id, key) = if self.has_uuids {
                let id: Uuid = row.try_get_by(0)?;
                (Value::from(id), id.to_string())
            } else {
                let id: String = row.try_get_by(0)?;
                (Value::from(id.as_str()), id)
            };
            let sealed = if self.has_bytes {
                Sealed::stored_bytes(&row.try_get_by::<Vec<u8>, _>(1)?)
            } else {
                row.try_get_by(1)?
            };
            rows.push(SealedRow { id, key, sealed });
        }
        Ok(rows)
    }

    /// A sealed value, or its beginning, in the type of the column.
    pub(super) fn stored(&self, sealed: Sealed) -> Value {
        if self.has_bytes { sealed.into_bytes().into() } else { sealed.into_text().into() }
    }
}
