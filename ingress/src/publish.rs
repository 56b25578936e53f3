//! Hands a message to the broker and returns when the broker has confirmed it. Nothing may be answered as accepted before.

use careq_shared::broker::Queue;
use careq_shared::crash_point::{self, CrashPoint};
use careq_shared::message::{self, Message};

use crate::ingress::Ingress;
use crate::problem::Problem;

/// Publishes; when this returns `Ok`, the message survives whatever happens to this process.
pub(crate) async fn confirmed(ingress: &Ingress, queue: Queue, message: &Message) -> Result<(), Problem> {
    let body =
        message::encode(message).map_err(|_| Problem::server_error("The event could not be written"))?;
    crash_point::reached(CrashPoint::Validated);
    let publishing = ingress.broker.publish(queue, body.into());
    match tokio::time::timeout(ingress.publish_timeout, publishing).await {
        Ok(Ok(())) => {
            crash_point::reached(CrashPoint::Confirmed);
            Ok(())
        }
        Ok(Err(reason)) => Err(Problem::unavailable().because(&reason)),
        Err(late) => Err(Problem::unavailable().because(&late)),
    }
}
