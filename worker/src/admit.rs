//! Notes each batch before its records are applied, so that its report can be given from then on. A `batch_id` that is
//! reused with other content must never change anything.

use std::time::Duration;

use careq_shared::database;
use careq_shared::entities::batch;
use careq_shared::message::Batch;
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait as _, IntoActiveModel as _};

use crate::dead_letters;
use crate::decode::{Membership, Request};
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use crate::transaction;

/// Admits the batches among the requests; those in conflict lose their events.
pub(crate) async fn batches(lane: &Lane, mut requests: Vec<Request>) -> Result<Vec<Request>, Stopped> {
    for request in &mut requests {
        let Membership::Batch(batch) = &request.batch else { continue };
        if noted(lane, batch).await? == batch.content_sha256 {
            continue;
        }
        dead_letters::keep_batch(lane, batch, "The batch_id was used before for other content").await?;
        request.events.clear();
        request.batch = Membership::Conflicting;
    }
    Ok(requests)
}

/// The digest under which the batch is noted, however often it takes: nothing of it is applied before.
async fn noted(lane: &Lane, batch: &Batch) -> Result<String, Stopped> {
    loop {
        match transaction::attempt(lane, || note(lane, batch)).await? {
            Ok(content_sha256) => return Ok(content_sha256),
            Err(fault) => {
                tracing::error!(fault.message, "a batch cannot be noted; trying again");
                lane.pause(Duration::from_secs(1)).await?;
            }
        }
    }
}

/// Stores the batch unless it is there; the digest of what is there.
async fn note(lane: &Lane, batch: &Batch) -> Result<String, Fault> {
    let row = batch::Model {
        clinic_id: batch.clinic_id.clone(),
        batch_id: batch.batch_id.clone(),
        content_sha256: batch.content_sha256.clone(),
        entries: serde_json::to_string(&batch.listing()).unwrap_or_default(),
        accepted_at: batch.accepted_at,
    };
    let key = (row.clinic_id.clone(), row.batch_id.clone());
    let transaction = database::begin_write(&lane.database).await?;
    batch::Entity::insert(row.into_active_model())
        .on_conflict(
            OnConflict::columns([batch::Column::ClinicId, batch::Column::BatchId]).do_nothing().to_owned(),
        )
        .exec_without_returning(&transaction)
        .await?;
    let stored = batch::Entity::find_by_id(key).one(&transaction).await?;
    transaction.commit().await?;
    stored.map(|row| row.content_sha256).ok_or(Fault::Contention)
}
