//! Registers each `POST /batch` before its records are applied, so that its report can be given from then on. A `batch_id` reused with
//! other content changes nothing.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::dead_letters::Class;
use careq_shared::entities::batch;
use careq_shared::event::Event;
use careq_shared::message::{Batch, Entry};
use careq_shared::outcome;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{DbErr, EntityTrait as _, IntoActiveModel as _};

use crate::context::{Context, Stopped};
use crate::db::retries::retry_within_limits;
use crate::dead_letters::keep;
use crate::fault::{EventFault, Fault};
use crate::item::{Membership, Request};

/// Delays between the tries to register a batch; later batches wait meanwhile.
const RETRY_DELAYS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Registers the batches among the requests; the events of a conflicting batch become dead letters.
pub(super) async fn batches(context: &Context, mut requests: Vec<Request>) -> Result<Vec<Request>, Stopped> {
    for request in &mut requests {
        let Membership::Batch(batch) = &mut request.batch else { continue };
        let stored = match with_retries(context, batch).await? {
            Ok(stored) => stored,
            Err(fault) => {
                let reason = format!("The batch cannot be noted. {}", fault.message);
                keep::batch(context, batch, Class::Data, &reason).await?;
                request.events.clear();
                request.batch = Membership::Unregistered;
                continue;
            }
        };
        if stored.content_digest == batch.content_digest {
            request.events = accepted(mem::take(&mut batch.entries), stored.accepted_at);
            continue;
        }
        keep::batch(context, batch, Class::Conflict, outcome::BATCH_ID_REUSED).await?;
        request.events.clear();
        request.batch = Membership::Conflicting;
    }
    crash_point::reached(CrashPoint::Registered);
    Ok(requests)
}

/// The events of a batch, one microsecond apart in the order sent. A batch that is sent again keeps its first acceptance, so its records
/// change nothing that has changed since.
fn accepted(entries: Vec<Entry>, accepted_at: DateTime<Utc>) -> Vec<Arc<Event>> {
    let stamps = (0_i64..).map(|position| accepted_at + TimeDelta::microseconds(position));
    let stamped = entries.into_iter().zip(stamps).filter_map(|(entry, accepted_at)| match entry {
        Entry::Accepted(event) => Some(Arc::new(Event { accepted_at, ..*event })),
        Entry::Refused(_) => None,
    });
    stamped.collect()
}

/// Registers a batch; the inner error is the reason why it cannot be registered while the database works.
async fn with_retries(context: &Context, batch: &Batch) -> Result<Result<batch::Model, EventFault>, Stopped> {
    let mut delays = RETRY_DELAYS.into_iter();
    loop {
        match (retry_within_limits(context, || register(context, batch)).await?, delays.next()) {
            (Err(fault), Some(delay)) => {
                tracing::error!(fault.message, "a batch cannot be noted; trying again");
                context.pause(delay).await?;
            }
            (registered, _) => return Ok(registered),
        }
    }
}

/// Stores the batch unless it is stored already; returns the stored one.
async fn register(context: &Context, batch: &Batch) -> Result<batch::Model, Fault> {
    use batch::Column;
    let row = batch::Model {
        clinic_id: batch.clinic_id.clone(),
        batch_id: batch.batch_id.clone(),
        content_digest: batch.content_digest.clone(),
        entries: serde_json::to_string(&batch.listing()).map_err(|fault| DbErr::Json(fault.to_string()))?,
        accepted_at: batch.accepted_at,
    };
    let unless_stored = OnConflict::columns([Column::ClinicId, Column::BatchId]).do_nothing().to_owned();
    let insert = batch::Entity::insert(row.clone().into_active_model()).on_conflict(unless_stored);
    if insert.exec_without_returning(&context.database).await? > 0 {
        return Ok(row);
    }
    let stored = batch::Entity::find_by_id((row.clinic_id, row.batch_id)).one(&context.database).await?;
    stored.ok_or(Fault::Contention)
}
