//! Replay jobs. [`step`] names the stages of a job's next dead letters; their events go through the bulk queue and do not delay live
//! traffic. A job survives its worker: another worker continues from the job's rows.

mod claim;
mod mark;
mod open;
mod pace;
mod postponed;
mod publish;
mod take;

use std::time::{Duration, Instant};

use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::entities::replay_job;
use careq_shared::ignore;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::context::{Context, Stopped};
use pace::Pace;
use postponed::Postponed;
use publish::Unconfirmed;

/// Poll interval of a job without a dead letter that can be published now.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

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
    let (mut pace, mut postponed) = (Pace::default(), Postponed::default());
    while let Ok(Some(job)) = claim::renew(&context, job_id).await {
        postponed.remove_due(Instant::now());
        let Ok(done) = step(&context, &job, &postponed).await else { break };
        let pause = match done {
            Step::Published(letters, unconfirmed) => {
                let now = Instant::now();
                let backoff = postponed.add(now, unconfirmed);
                if letters == 0 { backoff } else { pace.after(now, letters, job.rate_per_second) }
            }
            Step::AllUnderWay => POLL_INTERVAL,
            Step::Finished => {
                tracing::info!(job = %job.id, "a replay job is finished");
                return;
            }
        };
        if context.pause(pause).await.is_err() {
            break;
        }
    }
    claim::give_back(&context, job_id).await;
}

/// Result of a step.
enum Step {
    /// Number of dead letters that were published or skipped, and those that the broker did not confirm: they are taken again.
    Published(usize, Unconfirmed),
    /// Nothing can be published before some events have their outcome, or postponed dead letters are tried again.
    AllUnderWay,
    /// Every dead letter was tried.
    Finished,
}

/// The stages of a job's next dead letters.
async fn step(context: &Context, job: &replay_job::Model, postponed: &Postponed) -> Result<Step, Stopped> {
    let taken = take::next(context, job, postponed).await?;
    if taken.count == 0 {
        return if mark::finished(context, job).await? { Ok(Step::Finished) } else { Ok(Step::AllUnderWay) };
    }
    let opened = open::each(context, &taken.letters);
    mark::skipped(context, job, &opened.unreadable).await?;
    let published = publish::each(context, job, opened).await;
    crash_point::reached(CrashPoint::Replayed);
    mark::published(context, job, &published.events).await?;
    mark::put_back(context, job, &published.messages).await?;
    let letters = taken.count - published.unconfirmed.letters;
    Ok(Step::Published(letters, published.unconfirmed))
}
