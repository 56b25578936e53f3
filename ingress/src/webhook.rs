//! A webhook from its authenticated headers to its answer, one stage per line. It is answered only after the broker's confirm.

use axum::extract::Request;
use axum::response::Response;
use careq_http::{ApiError, CareqId};
use careq_shared::broker::Queue;
use careq_shared::message::{Content, Message, Verdict};
use careq_shared::records::Kind;

use crate::authenticate::{Authenticated, Verified};
use crate::publish;
use crate::receive::{self, SMALL_BODY_BYTES};
use crate::reply::prefer::Preference;
use crate::response::error;
use crate::response::outcome::{self, Accepted};
use crate::validate::{self, Acceptance};

/// Answers a webhook of one kind.
pub(crate) async fn accept(
    kind: Kind,
    caller: Authenticated,
    request: Request,
) -> Result<Response, ApiError> {
    let (ingress, clinic_id) = (&caller.ingress, &caller.clinic.clinic_id);
    let max_bytes = ingress.settings.max_body_bytes;
    let received = receive::body(ingress, clinic_id, request, SMALL_BODY_BYTES, max_bytes).await?;
    let (headers, body, reservation) = received;
    let Verified { clinic, body, .. } = caller.verify(body)?;
    let _received = ingress.received.take(clinic_id);
    let (bytes, idempotency_key) = (body.len(), validate::idempotency_key(&headers)?);
    let permit = if bytes > SMALL_BODY_BYTES { Some(ingress.admit(&clinic, bytes).await?) } else { None };
    let (document, event) = receive::run_cpu_bound(bytes, || {
        let document = careq_http::read_document(&headers, &body)?;
        let (accepted_at, limits) = (ingress.clock.reserve(1), ingress.settings.record_limits());
        let (fields, acceptance) = (document.object(), Acceptance { idempotency_key, accepted_at, limits });
        let event = validate::same_clinic(&clinic, &fields)
            .and_then(|()| validate::event(kind, &clinic, &fields, acceptance).map_err(error::validation));
        event.map_err(|error| error.with_document(&document)).map(|event| (document, event))
    })?;
    let accepted = Accepted::from_event(&event, &clinic.event_key);

    let queue = Queue::for_webhook(bytes);
    let result_timeout_ms = clinic.answer_within_ms.unwrap_or(ingress.settings.result_timeout_ms);
    let default_wait = ingress.default_wait(clinic_id, result_timeout_ms);
    let preference = Preference::from_headers(&headers);
    let pending_reply = ingress.pending_replies.register(clinic_id, queue, preference, default_wait);
    let (reply_to, applied) = (pending_reply.reply_to.clone(), pending_reply.applied);
    let message = Message { reply_to, content: Content::Event(Box::new(event)) };
    let published = publish::confirmed(ingress, queue, clinic_id, message, bytes).await;
    published.map_err(|error| error.with_document(&document))?;
    drop((body, document, permit, reservation));

    let answer = match pending_reply.wait().await {
        Some(Verdict::Event(result)) => outcome::completed(&accepted, &result),
        Some(Verdict::Batch(_) | Verdict::BatchConflict) | None => outcome::queued(&accepted),
    };
    let mut response = outcome::with_preference(answer, applied);
    response.extensions_mut().insert(CareqId(accepted.event.careq_id));
    Ok(response)
}
