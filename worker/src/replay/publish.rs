//! Hands letters to the broker and returns when it has confirmed them. It may happen twice to the same letters; whoever takes the
//! copy sees that they have had their outcome. It must never try for longer than a lease lasts.

use std::time::Duration;

use bytes::Bytes;
use careq_shared::broker::Queue;
use careq_shared::entities::replay_job;
use careq_shared::message::{self, Content, Message, Replay};
use tokio::time::timeout;

use super::open::Opened;
use crate::lane::Lane;

/// How long the broker may take for a confirm.
const DEADLINE: Duration = Duration::from_secs(10);

/// Publishes once; whether the broker has confirmed it all.
pub(super) async fn confirmed(lane: &Lane, job: &replay_job::Model, opened: &Opened) -> bool {
    for (_, message) in &opened.messages {
        if !publish(lane, job, message.clone()).await {
            return false;
        }
    }
    if opened.events.is_empty() {
        return true;
    }
    let replay = Replay { job_id: job.id, events: opened.events.clone() };
    match message::encode(&Message { reply_to: None, content: Content::Replay(replay) }) {
        Ok(body) => publish(lane, job, body.into()).await,
        Err(reason) => {
            tracing::error!(job = %job.id, %reason, "letters cannot be written into a message");
            false
        }
    }
}

async fn publish(lane: &Lane, job: &replay_job::Model, body: Bytes) -> bool {
    match timeout(DEADLINE, lane.broker.publish(Queue::Bulk, body)).await {
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
