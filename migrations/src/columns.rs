//! The column types of the tables. Lengths are not limited here: the field rules limit them, with messages.

use sea_orm_migration::prelude::*;

pub(crate) fn text(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).text().not_null().to_owned()
}

pub(crate) fn optional_text(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).text().to_owned()
}

pub(crate) fn integer(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).integer().not_null().to_owned()
}

pub(crate) fn optional_integer(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).integer().to_owned()
}

pub(crate) fn big_integer(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().not_null().to_owned()
}

pub(crate) fn optional_big_integer(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().to_owned()
}

pub(crate) fn instant(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).timestamp_with_time_zone().not_null().to_owned()
}

pub(crate) fn optional_instant(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).timestamp_with_time_zone().to_owned()
}

pub(crate) fn optional_date(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).date().to_owned()
}

pub(crate) fn optional_boolean(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).boolean().to_owned()
}

pub(crate) fn bytes(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).binary().not_null().to_owned()
}

pub(crate) fn uuid(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).uuid().not_null().to_owned()
}

pub(crate) fn optional_uuid(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).uuid().to_owned()
}

/// A table whose first column is the primary key.
pub(crate) fn table(name: &str, columns: impl IntoIterator<Item = ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create().table(Alias::new(name)).to_owned();
    for (position, mut column) in columns.into_iter().enumerate() {
        if position == 0 {
            column.primary_key();
        }
        table.col(column);
    }
    table
}

pub(crate) fn index(table: &str, name: &str, columns: &[&str]) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(Alias::new(table)).to_owned();
    for column in columns {
        index.col(Alias::new(*column));
    }
    index
}

pub(crate) fn unique_index(table: &str, name: &str, columns: &[&str]) -> IndexCreateStatement {
    index(table, name, columns).unique().to_owned()
}
