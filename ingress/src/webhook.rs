//! A webhook from its authenticated headers to its answer, one stage per line. It is answered only after the broker's confirm.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use careq_http::{ApiError, CareqId};
use careq_shared::broker::Queue;
use careq_shared::message::{Content, Message, Verdict};
use careq_shared::records::Kind;
use tracing::Instrument as _;

use crate::authenticate::caller::{Authenticated, Verified};
use crate::memory_budget::SMALL_BODY_BYTES;
use crate::middleware::auth;
use crate::publish::{self, Outgoing};
use crate::reply::prefer::Preference;
use crate::response::outcome::{self, Accepted};
use crate::state::Ingress;
use crate::validate::{self, Acceptance};
use crate::{compute, receive, trace};

/// Answers a webhook of one kind.
pub(crate) async fn accept(
    ingress: &Arc<Ingress>,
    kind: Kind,
    caller: &Authenticated,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let reservation = ingress.memory_budget.reservation(&caller.clinic.clinic_id, SMALL_BODY_BYTES);
    let limits = ingress.body_limits(ingress.settings.max_body_bytes);
    let receiving = receive::body(reservation, &parts.headers, body, limits);
    let (body, reservation) = receiving.instrument(trace::receive()).await?;
    let bytes = body.len();
    let Verified { clinic, body, .. } = compute::on_body(bytes, || auth::verify(ingress, caller, body))?;
    let _received = ingress.received.enter(&clinic.clinic_id);
    let (preference, _waiting) = ingress.enter_wait(&clinic.clinic_id, Preference::of(&parts.headers));
    let idempotency_key = validate::idempotency_key(&parts.headers)?;
    let permit = if bytes > SMALL_BODY_BYTES { Some(ingress.admit(&clinic, bytes).await?) } else { None };
    let (document, event) = compute::on_body(bytes, || {
        let document = careq_http::read_document(&parts.headers, &body)?;
        let (accepted_at, limits) = (ingress.clock.reserve(1), ingress.settings.record_limits());
        let acceptance = Acceptance { idempotency_key, accepted_at, limits };
        validate::event(kind, &clinic, &document, acceptance).map(|event| (document, event))
    })?;
    let accepted = Accepted::of(&event, &clinic.event_key);

    let queue = Queue::of_webhook(body.len());
    let result_timeout_ms = clinic.answer_within_ms.unwrap_or(ingress.settings.result_timeout_ms);
    let result_timeout = Duration::from_millis(result_timeout_ms);
    let limit = ingress.wait_limit(&clinic.clinic_id, preference, result_timeout);
    let pending_reply = ingress.pending_replies.register(&clinic.clinic_id, queue, limit);
    let message =
        Message { reply_to: pending_reply.reply_to.clone(), content: Content::Event(Box::new(event)) };
    let preference = preference.granted(pending_reply.is_waiting());
    let with_document = |error: ApiError| error.with_document(&document);
    let outgoing = compute::on_body(bytes, || Outgoing::new(message, bytes)).map_err(with_document)?;
    publish::confirmed(ingress, queue, outgoing).await.map_err(with_document)?;
    drop((body, document, permit, reservation));

    let answer = match pending_reply.wait().instrument(trace::result()).await {
        Some(Verdict::Event(result)) => outcome::completed(&accepted, &result),
        Some(Verdict::Batch(_) | Verdict::BatchConflict) | None => outcome::queued(&accepted),
    };
    let mut response = outcome::with_preference(answer, preference);
    response.extensions_mut().insert(CareqId(accepted.careq_id));
    Ok(response)
}
