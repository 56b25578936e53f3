//! The way of a webhook, one stage a line. It must never answer before the broker has confirmed, nor wait for anything
//! that the caller did not ask for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use careq_http::{BodyLimits, CareqId};
use careq_shared::broker::Queue;
use careq_shared::message::{Content, Message, Verdict};
use careq_shared::records::Kind;
use tracing::Instrument as _;

use crate::answer::Accepted;
use crate::authenticate::{Caller, Verified};
use crate::ingress::Ingress;
use crate::prefer::Preference;
use crate::problem::Problem;
use crate::publish::Outgoing;
use crate::receive;
use crate::results::Budget;
use crate::room::SMALL_BYTES;
use crate::validate::{self, Stamps};
use crate::{answer, compute, door, publish, trace};

/// Answers one webhook. The door has authenticated its headers and counted it.
pub(crate) async fn handle(ingress: &Arc<Ingress>, kind: Kind, request: Request) -> Response {
    accept(ingress, kind, request).await.unwrap_or_else(Problem::into_response)
}

async fn accept(ingress: &Arc<Ingress>, kind: Kind, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::authentication_failed)?;
    let answer_within_ms = caller.clinic.answer_within_ms.unwrap_or(ingress.settings.result_timeout_ms);

    let share = ingress.room.share(&caller.clinic.clinic_id, SMALL_BYTES);
    let receiving = receive::body_into(share, &parts.headers, body, body_limits(ingress));
    let (body, share) = receiving.instrument(trace::receive()).await?;
    let bytes = body.len();
    let Verified { clinic, body } = compute::on_body(bytes, || door::verify(ingress, &caller, body))?;
    let _received = ingress.received.enter(&clinic.clinic_id);
    let (preference, _waiting) = ingress.granted(&clinic.clinic_id, Preference::of(&parts.headers));
    let idempotency_key = validate::idempotency_key(&parts.headers)?;
    let turn = if bytes > SMALL_BYTES { Some(ingress.turn(&clinic, bytes).await?) } else { None };
    let (document, event) = compute::on_body(bytes, || {
        let document = receive::document(&parts.headers, &body)?;
        let (accepted_at, limits) = (ingress.clock.reserve(1), ingress.settings.record_limits());
        let stamps = Stamps { idempotency_key, accepted_at, limits };
        validate::event(kind, &clinic, &document, stamps).map(|event| (document, event))
    })?;
    let accepted = Accepted::of(&event, &clinic.event_key);

    let queue = Queue::of_webhook(body.len());
    let budget = budget(ingress, &clinic.clinic_id, preference, answer_within_ms);
    let expectation = ingress.results.expect(&clinic.clinic_id, queue, budget);
    let message =
        Message { reply_to: expectation.reply_to.clone(), content: Content::Event(Box::new(event)) };
    let preference = preference.granted(expectation.is_granted());
    let about = |problem: Problem| problem.about(&document);
    let outgoing = compute::on_body(bytes, || Outgoing::new(message, bytes)).map_err(about)?;
    publish::confirmed(ingress, queue, outgoing).await.map_err(about)?;
    drop((body, document, turn, share));

    let answer = match expectation.result().instrument(trace::result()).await {
        Some(Verdict::Event(result)) => answer::settled(&accepted, &result),
        Some(Verdict::Batch(_) | Verdict::BatchConflict) | None => answer::queued(&accepted),
    };
    let mut response = answer::with_preference(answer, preference);
    response.extensions_mut().insert(CareqId(accepted.careq_id));
    Ok(response)
}

/// How long this request may wait for its result.
pub(crate) fn budget(
    ingress: &Ingress,
    clinic_id: &str,
    preference: Preference,
    answer_within_ms: u64,
) -> Option<Budget> {
    match preference {
        Preference::RespondAsync => None,
        Preference::None if ingress.is_in_a_burst(clinic_id) => None,
        Preference::Wait { .. } => preference.wait().map(Budget::Explicit),
        Preference::None => Some(Budget::Usual(Duration::from_millis(answer_within_ms))),
    }
}

fn body_limits(ingress: &Ingress) -> BodyLimits {
    BodyLimits {
        bytes: ingress.settings.max_body_bytes,
        within: Duration::from_secs(ingress.settings.body_timeout_s),
    }
}
