//! Forgets what is over, in small steps, one worker at a time. [`round`] names the tables in their order. What still waits, is tried
//! again or needs a person must never be forgotten, however old it is; nor may anything be that something still refers to.

mod audit;
mod batches;
mod clock;
mod events;
mod jobs;
mod lease;
mod letters;
mod step;

use std::time::Duration;

use crate::lane::Lane;
use lease::Lease;
use step::{Ended, Rule, every_step};

/// Forgets what is due whenever nobody else does, until told to stop.
pub(crate) async fn run(lane: Lane) {
    let look_every = Duration::from_secs(lane.settings.retention.scan_interval_s);
    loop {
        match lease::take(&lane).await {
            Ok(Some(lease)) => look(&lane, lease, look_every).await,
            Ok(None) => {}
            Err(reason) => cannot(&reason),
        }
        if lane.pause(look_every).await.is_err() {
            return;
        }
    }
}

async fn look(lane: &Lane, mut lease: Lease, look_every: Duration) {
    match round(lane, &mut lease).await {
        Ok(forgotten) => {
            forgotten.log();
            lease.keep_for(lane, look_every).await;
        }
        Err(Ended::Stopped) => lease.keep_for(lane, Duration::ZERO).await,
        // Whoever has the lease now goes on from the rows.
        Err(Ended::Lost) => {}
        Err(Ended::Failed(reason)) => cannot(&reason),
    }
}

/// What is due at this moment: letters before events, since an event stays as long as its letter; batches before events, since their
/// reports are made from them.
async fn round(lane: &Lane, lease: &mut Lease) -> Result<Forgotten, Ended> {
    let keep = &lane.settings.retention;
    Ok(Forgotten {
        jobs: of_table::<jobs::Jobs>(lane, lease, keep.settled_letters_days).await?,
        letters: of_table::<letters::Letters>(lane, lease, keep.settled_letters_days).await?,
        batches: of_table::<batches::Batches>(lane, lease, keep.batches_days).await?,
        events: of_table::<events::Events>(lane, lease, keep.events_days).await?,
        audit_entries: of_table::<audit::Entries>(lane, lease, keep.audit_days).await?,
    })
}

/// How many rows of a table are gone. One that cannot be worked on must not keep the others from it.
async fn of_table<R: Rule>(lane: &Lane, lease: &mut Lease, keep_days: u32) -> Result<u64, Ended> {
    match every_step::<R>(lane, lease, keep_days).await {
        Err(Ended::Failed(reason)) => {
            cannot(&reason);
            Ok(0)
        }
        done => done,
    }
}

/// How much a round has forgotten.
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
