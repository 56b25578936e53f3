//! Hands letters to the broker and returns when it has confirmed them. It may happen twice to the same letters; whoever takes the
//! copy sees that they have had their outcome.

use std::time::Duration;

use careq_shared::backoff::Backoff;
use careq_shared::broker::Queue;
use careq_shared::entities::replay_job;
use careq_shared::event::Event;
use careq_shared::message::{self, Content, Message, Replay};
use tokio::time::timeout;

use crate::lane::{Lane, Stopped};

/// How long the broker may take for a confirm.
const DEADLINE: Duration = Duration::from_secs(10);

/// Publishes until the broker has confirmed it.
pub(super) async fn confirmed(lane: &Lane, job: &replay_job::Model, events: &[Event]) -> Result<(), Stopped> {
    if events.is_empty() {
        return Ok(());
    }
    let replay = Replay { job_id: job.id, events: events.to_vec() };
    let message = Message { reply_to: None, content: Content::Replay(replay) };
    // It was read from the same form a moment ago.
    let body: bytes::Bytes = message::encode(&message).unwrap_or_default().into();
    let mut backoff = Backoff::default();
    loop {
        match timeout(DEADLINE, lane.broker.publish(Queue::Bulk, body.clone())).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => {
                tracing::warn!(%reason, "letters cannot be published; trying again");
            }
            Err(_) => tracing::warn!("the broker did not confirm letters in time; trying again"),
        }
        lane.pause(backoff.next_delay()).await?;
    }
}
