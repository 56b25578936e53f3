//! Replay jobs. [`step`] names the stages of a job's next dead letters; their events go through the bulk queue and do not delay live
//! traffic. A job survives its worker: another worker continues from the job's rows.

mod claim;
mod mark;
mod open;
mod pace;
mod publish;
mod take;

use std::time::{Duration, Instant};

use careq_shared::backoff::Backoff;
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::entities::replay_job;
use careq_shared::ignore;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::context::{Context, Stopped};
use pace::Pace;

/// Poll interval of a job whose published dead letters are all unsettled.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Maximum pause while the broker is unavailable. The lease is renewed in between, and a pause or cancellation takes effect.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Runs unclaimed jobs until the process stops.
pub(crate) async fn run(context: Context) {
    let mut jobs: Vec<(Uuid, JoinHandle<()>)> = Vec::new();
    while context.pause(context.settings.sweep_interval).await.is_ok() {
        // A job whose task has panicked is claimed again when its lease ends.
        jobs.retain(|(_, task)| !task.is_finished());
        loop {
            let own: Vec<_> = jobs.iter().map(|(id, _)| *id).collect();
            let Ok(Some(job_id)) = claim::any(&context, &own).await else { break };
            jobs.push((job_id, tokio::spawn(run_job(context.clone(), job_id))));
        }
    }
    for (_, task) in jobs {
        ignore(task.await, "another worker claims the job of a task that has panicked");
    }
}

/// Runs one job to its end, or until another worker has its lease.
async fn run_job(context: Context, job_id: Uuid) {
    tracing::info!(job = %job_id, "a replay job is carried out");
    let (mut pace, mut backoff) = (Pace::default(), Backoff::default());
    while let Ok(Some(job)) = claim::renew(&context, job_id).await {
        let Ok(done) = step(&context, &job).await else { break };
        let paused = match done {
            Step::Published(letters) => {
                backoff.reset();
                context.pause(pace.after(Instant::now(), letters, job.rate_per_second)).await
            }
            Step::NotPublished => context.pause(backoff.next_delay().min(MAX_PAUSE)).await,
            Step::AllUnderWay => context.pause(POLL_INTERVAL).await,
            Step::Finished => {
                tracing::info!(job = %job.id, "a replay job is finished");
                return;
            }
        };
        if paused.is_err() {
            break;
        }
    }
    claim::give_back(&context, job_id).await;
}

/// Result of a step.
enum Step {
    /// Number of dead letters that were published or skipped.
    Published(usize),
    /// The broker did not confirm them: they are taken again.
    NotPublished,
    /// Nothing can be published before some events have their outcome.
    AllUnderWay,
    /// Every dead letter was tried.
    Finished,
}

/// The stages of a job's next dead letters.
async fn step(context: &Context, job: &replay_job::Model) -> Result<Step, Stopped> {
    let taken = take::next(context, job).await?;
    if taken.count == 0 {
        return if mark::finished(context, job).await? { Ok(Step::Finished) } else { Ok(Step::AllUnderWay) };
    }
    let opened = open::each(context, &taken.letters);
    mark::skipped(context, job, &opened.unreadable).await?;
    if !publish::confirmed(context, job, &opened).await {
        return Ok(Step::NotPublished);
    }
    crash_point::reached(CrashPoint::Replayed);
    mark::published(context, job, &opened.events).await?;
    mark::put_back(context, job, &opened.messages).await?;
    Ok(Step::Published(taken.count))
}
