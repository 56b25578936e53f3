//! Retention: deletes old rows in small steps, one worker at a time. [`round`] names the tables in their order. Rows that wait, are retried
//! or need a person are kept, and so are rows that others refer to.

mod lease;
mod rules;
mod step;

use std::time::Duration;

use careq_shared::ignore;
use tokio::time::timeout;
use uuid::Uuid;

use crate::context::Context;
use step::{DEADLINE, Ended, delete_old_rows};

/// Scans periodically until the process stops, if no other worker does.
pub(crate) async fn run(context: Context) {
    let scan_interval = Duration::from_secs(context.settings.retention.scan_interval_s);
    loop {
        match round(&context).await {
            Ok(deleted) => {
                deleted.log();
                keep_lease(&context, scan_interval).await;
            }
            Err(Ended::Stopped) => keep_lease(&context, Duration::ZERO).await,
            // The worker that has the lease continues.
            Err(Ended::Lost) => {}
        }
        if context.pause(scan_interval).await.is_err() {
            return;
        }
    }
}

/// Keeps the lease for so long.
async fn keep_lease(context: &Context, duration: Duration) {
    let kept = timeout(DEADLINE, lease::hold(&context.database, &context.settings.name, duration)).await;
    ignore(kept, "another worker may scan when the lease ends");
}

/// One scan. Dead letters come before events, since an event is kept as long as its dead letter; batches come before events, since their
/// reports are made from them.
async fn round(context: &Context) -> Result<Deleted, Ended> {
    let keep = &context.settings.retention;
    Ok(Deleted {
        jobs: delete_old_rows::<_, Uuid>(context, keep.settled_letters_days, rules::jobs()).await?,
        letters: delete_old_rows::<_, Uuid>(context, keep.settled_letters_days, rules::dead_letters())
            .await?,
        batches: delete_old_rows::<_, String>(context, keep.batches_days, rules::batches()).await?,
        events: delete_old_rows::<_, String>(context, keep.events_days, rules::events()).await?,
        audit_entries: delete_old_rows::<_, Uuid>(context, keep.audit_days, rules::audit_entries()).await?,
    })
}

/// Deleted rows of a round.
#[derive(Debug)]
struct Deleted {
    jobs: u64,
    letters: u64,
    batches: u64,
    events: u64,
    audit_entries: u64,
}

impl Deleted {
    fn log(&self) {
        let Self { jobs, letters, batches, events, audit_entries } = self;
        if jobs + letters + batches + events + audit_entries > 0 {
            tracing::info!(events, batches, letters, jobs, audit_entries, "settled events were deleted");
        }
    }
}
