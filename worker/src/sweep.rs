//! Looks through what waits, at a steady pace: the level below the wake-up, patience that is over, retries that are due.
//! It must never be what a normal wake-up depends on.

use careq_shared::clock;
use careq_shared::entities::parked_event;
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::order::Treatment;
use crate::{retry, transaction, wake};

/// Sweeps until told to stop.
pub(crate) async fn run(lane: Lane) {
    while lane.pause(lane.settings.sweep_every).await.is_ok() {
        if once(&lane).await.is_err() {
            return;
        }
    }
}

async fn once(lane: &Lane) -> Result<(), Stopped> {
    wake::everyone_whose_parent_is_here(lane).await?;
    end_patience(lane).await?;
    retry_what_is_due(lane).await
}

async fn end_patience(lane: &Lane) -> Result<(), Stopped> {
    loop {
        let rows = due(lane, parked_event::Column::WaitingKind.is_not_null()).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let wakes = wake::settle(lane, &rows, &Treatment::LastChance).await?;
        wake::children(lane, wakes).await?;
    }
}

/// One event at a time: what failed alone may fail its neighbours, or the whole process.
async fn retry_what_is_due(lane: &Lane) -> Result<(), Stopped> {
    for row in due(lane, parked_event::Column::WaitingKind.is_null()).await? {
        let claimed = transaction::attempt(lane, || async {
            retry::claim(&lane.database, &row).await.map_err(Fault::from)
        });
        match claimed.await? {
            Ok(Some(item)) => {
                let settled = transaction::bisecting(lane, &[item]).await?;
                wake::children(lane, settled.wakes).await?;
            }
            Ok(None) => {}
            Err(_) => crate::dead_letters::keep_unreadable(lane, &row).await?,
        }
    }
    Ok(())
}

async fn due(lane: &Lane, which: SimpleExpr) -> Result<Vec<parked_event::Model>, Stopped> {
    let limit = u64::try_from(lane.settings.batch).unwrap_or(u64::MAX);
    let found = transaction::attempt(lane, || async {
        let select = parked_event::Entity::find()
            .filter(which.clone())
            .filter(parked_event::Column::DueAt.lte(clock::now()))
            .order_by_asc(parked_event::Column::DueAt)
            .limit(limit);
        select.all(&lane.database).await.map_err(Fault::from)
    });
    Ok(found.await?.unwrap_or_default())
}
