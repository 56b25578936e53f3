//! Replay jobs, carried out beside the lanes. [`step`] is the way of a job's next letters; they go through the bulk queue, so that
//! live traffic does not stand behind them. A job must never depend on the worker that has it: any other goes on from its rows.

mod claim;
mod copies;
mod mark;
mod open;
mod pace;
mod publish;
mod take;

use std::time::{Duration, Instant};

use careq_shared::backoff::Backoff;
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::entities::replay_job;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::attempt::attempt;
use crate::fault::Fault;
use crate::lane::{Lane, Stopped};
use claim::Claim;
use pace::Pace;

pub(crate) use copies::under_way;

/// How soon a job whose letters are all under way is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The longest wait for a broker that is away: the lease is renewed in between, and a pause or a cancellation is seen.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Carries out whatever jobs nobody else has, until told to stop.
pub(crate) async fn run(lane: Lane) {
    let mut jobs: Vec<(Uuid, JoinHandle<()>)> = Vec::new();
    while lane.pause(lane.settings.sweep_interval).await.is_ok() {
        // A job whose task has come to a bad end is claimed anew when its lease is over.
        jobs.retain(|(_, task)| !task.is_finished());
        while let Ok(Some(claim)) = claim::any(&lane, &ids(&jobs)).await {
            jobs.push((claim.job_id, tokio::spawn(carry_out(lane.clone(), claim))));
        }
    }
    for (_, task) in jobs {
        task.await.unwrap_or_default();
    }
}

fn ids(jobs: &[(Uuid, JoinHandle<()>)]) -> Vec<Uuid> {
    jobs.iter().map(|(id, _)| *id).collect()
}

/// Takes one job to its end, or as far as it is this worker's.
async fn carry_out(lane: Lane, mut claim: Claim) {
    tracing::info!(job = %claim.job_id, "a replay job is carried out");
    let (mut pace, mut backoff) = (Pace::default(), Backoff::default());
    while let Ok(Some(job)) = claim.renew(&lane).await {
        let Ok(done) = step(&lane, &job).await else { break };
        let paused = match done {
            Step::Published(letters) => {
                backoff.reset();
                lane.pause(pace.after(Instant::now(), letters, job.rate_per_second)).await
            }
            Step::NotPublished => lane.pause(backoff.next_delay().min(LONGEST_WAIT)).await,
            Step::AllUnderWay => lane.pause(LOOK_AGAIN).await,
            Step::Finished => {
                tracing::info!(job = %job.id, "a replay job is finished");
                return;
            }
        };
        if paused.is_err() {
            break;
        }
    }
    claim.give_back(&lane).await;
}

/// What a step has come to.
enum Step {
    /// So many letters were published, or skipped.
    Published(usize),
    /// The broker did not confirm them; they are taken again.
    NotPublished,
    /// Nothing can be published before some are settled.
    AllUnderWay,
    /// Each letter has been tried.
    Finished,
}

/// The way of a job's next letters.
async fn step(lane: &Lane, job: &replay_job::Model) -> Result<Step, Stopped> {
    let taken = take::next(lane, job).await?;
    if taken.count == 0 {
        return if mark::finished(lane, job).await? { Ok(Step::Finished) } else { Ok(Step::AllUnderWay) };
    }
    let opened = open::each(lane, &taken.letters);
    mark::skipped(lane, job, &opened.unreadable).await?;
    if !publish::confirmed(lane, job, &opened).await {
        return Ok(Step::NotPublished);
    }
    crash_point::reached(CrashPoint::Replayed);
    mark::published(lane, job, &opened.events).await?;
    mark::put_back(lane, job, &opened.messages).await?;
    Ok(Step::Published(taken.count))
}

/// Does something in the database, however often it takes.
async fn patiently<T, F>(lane: &Lane, work: impl Fn() -> F) -> Result<T, Stopped>
where
    F: Future<Output = Result<T, Fault>>,
{
    loop {
        match attempt(lane, &work).await? {
            Ok(done) => return Ok(done),
            Err(fault) => {
                tracing::error!(fault.message, "a replay job cannot go on; trying again");
                lane.pause(Duration::from_secs(1)).await?;
            }
        }
    }
}
