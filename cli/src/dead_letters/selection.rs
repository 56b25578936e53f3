//! Converts arguments to a filter or selection of dead letters.

use anyhow::Result;
use careq_console::dead_letters::{self, Filter, Selection};
use sea_orm::DatabaseConnection;

use crate::arguments::dead_letters::{FilterArguments, SelectionArguments};

impl From<FilterArguments> for Filter {
    fn from(arguments: FilterArguments) -> Self {
        let FilterArguments { clinic, kind, careq_id, class, code, fingerprint, since, until } = arguments;
        Self { clinic_id: clinic, kind, careq_id, class, code, fingerprint, since, until, ..Self::default() }
    }
}

/// The selected dead letters. Prefixes of ids are resolved.
pub(super) async fn selection(
    database: &DatabaseConnection,
    arguments: SelectionArguments,
) -> Result<Selection> {
    let mut filter = Filter::from(arguments.filter);
    for id in arguments.ids {
        filter.ids.push(dead_letters::find(database, id).await?);
    }
    Ok(Selection::new(filter, arguments.all)?)
}
