//! Retention: deletes old rows in small steps, one worker at a time. [`round`] names the tables in their order. Rows that wait, are retried
//! or need a person are kept, and so are rows that others refer to.

mod audit;
mod batches;
mod clock;
mod deadline;
mod events;
mod jobs;
mod lease;
mod letters;
mod step;

use std::time::Duration;

use crate::context::Context;
use lease::Lease;
use step::{Ended, Rule, every_step};

/// Scans periodically until the process stops, if no other worker does.
pub(crate) async fn run(context: Context) {
    let scan_interval = Duration::from_secs(context.settings.retention.scan_interval_s);
    loop {
        match lease::take(&context).await {
            Ok(Some(lease)) => scan(&context, lease, scan_interval).await,
            Ok(None) => {}
            Err(reason) => cannot(&reason),
        }
        if context.pause(scan_interval).await.is_err() {
            return;
        }
    }
}

async fn scan(context: &Context, mut lease: Lease, scan_interval: Duration) {
    match round(context, &mut lease).await {
        Ok(forgotten) => {
            forgotten.log();
            lease.keep_for(context, scan_interval).await;
        }
        Err(Ended::Stopped) => lease.keep_for(context, Duration::ZERO).await,
        // The worker that has the lease continues.
        Err(Ended::Lost) => {}
        Err(Ended::Failed(reason)) => cannot(&reason),
    }
}

/// One scan. Dead letters come before events, since an event is kept as long as its dead letter; batches come before events, since their
/// reports are made from them.
async fn round(context: &Context, lease: &mut Lease) -> Result<Forgotten, Ended> {
    let keep = &context.settings.retention;
    Ok(Forgotten {
        jobs: of_table::<jobs::Jobs>(context, lease, keep.settled_letters_days).await?,
        letters: of_table::<letters::Letters>(context, lease, keep.settled_letters_days).await?,
        batches: of_table::<batches::Batches>(context, lease, keep.batches_days).await?,
        events: of_table::<events::Events>(context, lease, keep.events_days).await?,
        audit_entries: of_table::<audit::Entries>(context, lease, keep.audit_days).await?,
    })
}

/// Returns the number of deleted rows of a table. A failure of one table does not affect the others.
async fn of_table<R: Rule>(context: &Context, lease: &mut Lease, keep_days: u32) -> Result<u64, Ended> {
    match every_step::<R>(context, lease, keep_days).await {
        Err(Ended::Failed(reason)) => {
            cannot(&reason);
            Ok(0)
        }
        done => done,
    }
}

/// Deleted rows of a round.
#[derive(Debug)]
struct Forgotten {
    jobs: u64,
    letters: u64,
    batches: u64,
    events: u64,
    audit_entries: u64,
}

impl Forgotten {
    fn log(&self) {
        let Self { jobs, letters, batches, events, audit_entries } = self;
        if jobs + letters + batches + events + audit_entries > 0 {
            tracing::info!(events, batches, letters, jobs, audit_entries, "what was over was forgotten");
        }
    }
}

fn cannot(reason: &str) {
    tracing::warn!(reason, "what is over cannot be forgotten now; it will be tried again");
}

#[cfg(test)]
mod tests {
    use careq_shared::entities;

    use super::step::Rule;
    use super::{audit, batches, events, jobs, letters};

    fn tables<R: Rule>() -> impl Iterator<Item = &'static str> {
        std::iter::once(R::TABLE).chain(R::WITH)
    }

    /// The doctor asks the permission to delete from these alone.
    #[test]
    fn nothing_is_forgotten_of_a_table_that_is_not_listed() {
        let forgotten = tables::<jobs::Jobs>()
            .chain(tables::<letters::Letters>())
            .chain(tables::<batches::Batches>())
            .chain(tables::<events::Events>())
            .chain(tables::<audit::Entries>());
        let listed = entities::deleted_from();
        for table in forgotten {
            assert!(listed.iter().any(|name| name == table), "{table}");
        }
    }
}
