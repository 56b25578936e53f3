//! Open dead letters whose events were stored without reference to them: the records of a refused batch that were sent again in another
//! batch are new to the ledger.

use careq_shared::database;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::dead_letter;
use sea_orm::sea_query::LockType;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::write;
use crate::context::Context;
use crate::db::scan_cursor::ScanCursor;

/// Resolves such dead letters, a page at a time.
pub(crate) async fn resolve_page(
    context: &Context,
    cursor: &ScanCursor<Uuid>,
) -> Result<ScanCursor<Uuid>, DbErr> {
    use dead_letter::Column::{Id, State};
    let open = dead_letter::Entity::find().filter(State.eq(DeadLetterState::Open));
    let (part, next) = cursor.page(&context.database, open, Id).await?;
    let transaction = database::begin_write(&context.database).await?;
    let letters: Vec<Uuid> = dead_letter::Entity::find()
        .select_only()
        .column(Id)
        .filter(State.eq(DeadLetterState::Open))
        .filter(part)
        .filter(write::is_settled(&["created", "updated", "unchanged"]))
        .order_by_asc(Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(&transaction)
        .await?;
    if !letters.is_empty() {
        write::resolve(&transaction, letters).await?;
    }
    transaction.commit().await?;
    Ok(next)
}
