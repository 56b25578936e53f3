//! Publishes events of dead letters with confirms. An event may be published twice: the duplicate has no effect. The deadline is shorter
//! than a lease.

use std::time::Duration;

use bytes::Bytes;
use careq_shared::broker::{PublishError, Queue};
use careq_shared::entities::replay_job;
use careq_shared::message::{self, Content, Message, Replay};
use tokio::time::timeout;

use super::open::Opened;
use crate::context::Context;

/// Deadline of the confirms of one step.
const DEADLINE: Duration = Duration::from_secs(10);

/// Publishes once; returns whether the broker has confirmed everything.
pub(super) async fn confirmed(context: &Context, job: &replay_job::Model, opened: &Opened) -> bool {
    let bodies = match bodies(job, opened) {
        Ok(bodies) => bodies,
        Err(reason) => {
            tracing::error!(job = %job.id, %reason, "letters cannot be written into a message");
            return false;
        }
    };
    match timeout(DEADLINE, publish(context, bodies)).await {
        Ok(Ok(())) => true,
        Ok(Err(reason)) => {
            tracing::warn!(job = %job.id, %reason, "letters cannot be published; trying again");
            false
        }
        Err(_) => {
            tracing::warn!(job = %job.id, "the broker did not confirm letters in time; trying again");
            false
        }
    }
}

/// Whole messages unchanged, and one message with all events.
fn bodies(job: &replay_job::Model, opened: &Opened) -> Result<Vec<Bytes>, message::Undecodable> {
    let mut bodies: Vec<_> = opened.messages.iter().map(|(_, message)| message.clone()).collect();
    if !opened.events.is_empty() {
        let replay = Replay { job_id: job.id, events: opened.events.clone() };
        let message = Message { reply_to: None, content: Content::Replay(replay) };
        bodies.push(message::encode(&message)?.into());
    }
    Ok(bodies)
}

async fn publish(context: &Context, bodies: Vec<Bytes>) -> Result<(), PublishError> {
    for body in bodies {
        context.broker.publish(Queue::Bulk, body).await?;
    }
    Ok(())
}
