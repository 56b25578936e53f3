//! Notes each batch before its records are applied, so that its report can be given from then on. A `batch_id` that is
//! reused with other content must never change anything.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::database;
use careq_shared::dead_letters::Class;
use careq_shared::entities::batch;
use careq_shared::event::Event;
use careq_shared::message::{Batch, Entry};
use careq_shared::outcome;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait as _, IntoActiveModel as _};

use crate::attempt::attempt;
use crate::dead_letters;
use crate::decode::{Membership, Request};
use crate::fault::{EventFault, Fault};
use crate::lane::{Lane, Stopped};

/// Between the tries to note a batch: those behind it wait meanwhile.
const RETRY_DELAYS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Admits the batches among the requests; those in conflict lose their events.
pub(crate) async fn batches(lane: &Lane, mut requests: Vec<Request>) -> Result<Vec<Request>, Stopped> {
    for request in &mut requests {
        let Membership::Batch(batch) = &mut request.batch else { continue };
        let stored = match noted(lane, batch).await? {
            Ok(stored) => stored,
            Err(fault) => {
                let reason = format!("The batch cannot be noted. {}", fault.message);
                dead_letters::keep_batch(lane, batch, Class::Data, &reason).await?;
                request.events.clear();
                request.batch = Membership::Unnoted;
                continue;
            }
        };
        if stored.content_digest == batch.content_digest {
            request.events = accepted(mem::take(&mut batch.entries), stored.accepted_at);
            continue;
        }
        dead_letters::keep_batch(lane, batch, Class::Conflict, outcome::BATCH_ID_REUSED).await?;
        request.events.clear();
        request.batch = Membership::Conflicting;
    }
    crash_point::reached(CrashPoint::Admitted);
    Ok(requests)
}

/// The events of a batch, one microsecond apart in the order sent. Sent again, a batch is the same batch: its records are as
/// old as when it was first accepted, and change nothing that has changed since.
fn accepted(entries: Vec<Entry>, accepted_at: DateTime<Utc>) -> Vec<Arc<Event>> {
    let stamps = (0_i64..).map(|position| accepted_at + TimeDelta::microseconds(position));
    let stamped = entries.into_iter().zip(stamps).filter_map(|(entry, accepted_at)| match entry {
        Entry::Accepted(event) => Some(Arc::new(Event { accepted_at, ..*event })),
        Entry::Refused(_) => None,
    });
    stamped.collect()
}

/// The batch as it is noted: nothing of it is applied before. Or why it cannot be, while the database works: it must not hold up others.
async fn noted(lane: &Lane, batch: &Batch) -> Result<Result<batch::Model, EventFault>, Stopped> {
    let mut delays = RETRY_DELAYS.into_iter();
    loop {
        match (attempt(lane, || note(lane, batch)).await?, delays.next()) {
            (Err(fault), Some(delay)) => {
                tracing::error!(fault.message, "a batch cannot be noted; trying again");
                lane.pause(delay).await?;
            }
            (noted, _) => return Ok(noted),
        }
    }
}

/// Stores the batch unless it is there; what is there.
async fn note(lane: &Lane, batch: &Batch) -> Result<batch::Model, Fault> {
    let row = batch::Model {
        clinic_id: batch.clinic_id.clone(),
        batch_id: batch.batch_id.clone(),
        content_digest: batch.content_digest.clone(),
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
    stored.ok_or(Fault::Contention)
}
