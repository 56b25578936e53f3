//! Scenarios with requests that must be refused, and with conflicting events. They touch no record of another scenario.

use bytes::Bytes;
use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::Value;

use super::bodies::{self, Parents};
use super::context::{CONFLICT_OFFSET, ScenarioContext};
use super::scenario::{Event, ExpectedOutcome, Refusal, Request, Scenario};

pub(super) fn scenario(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Scenario {
    let mut patient = event(context, Kind::Patient, 0, bodies::patient(rng));
    let refusal = |status| Refusal { status, kind: Kind::Patient, careq_id: patient.careq_id };
    let body = &mut patient.body;
    let refused = match rng.random_range(0..5) {
        0 => Request::poison(refusal(400), Bytes::from(body.to_string()).slice(..40)),
        1 => {
            body["phone_number"] = "12345".into();
            body["date_of_birth"] = "15/05/1990".into();
            Request::poison(refusal(422), body.to_string().into())
        }
        2 => {
            body["clinic_id"] = "another-clinic".into();
            Request::poison(refusal(401), body.to_string().into())
        }
        3 => return Scenario { requests: same_hash(context, rng) },
        _ => return Scenario { requests: same_key(context, rng) },
    };
    Scenario { requests: vec![refused] }
}

/// Two appointments with the same `hash`, and their patient.
fn same_hash(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Vec<Request> {
    let patient = event(context, Kind::Patient, 0, bodies::patient(rng));
    let patient = Event { expected: ExpectedOutcome::Applied, ..patient };
    let parents =
        Parents { patient: patient.careq_id, doctor: context.careq_id(0), service: context.careq_id(0) };
    let appointment = |offset| {
        let mut body = bodies::appointment(context.time_at(0), parents, rng);
        body["hash"] = format!("hash-{}", parents.patient).into();
        Request::webhook(event(context, Kind::Appointment, offset, body))
    };
    std::iter::once(Request::webhook(patient)).chain([0, CONFLICT_OFFSET].map(appointment)).collect()
}

/// Two patients with the same `Idempotency-Key`.
fn same_key(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Vec<Request> {
    let key = format!("twice-{}", context.careq_id(context.number));
    let request = |offset| Request {
        idempotency_key: Some(key.clone()),
        ..Request::webhook(event(context, Kind::Patient, offset, bodies::patient(rng)))
    };
    [0, CONFLICT_OFFSET].map(request).into()
}

/// An event with a conflicting one, of the record with the scenario's number and an offset.
fn event(context: &ScenarioContext<'_>, kind: Kind, offset: i64, fields: Value) -> Event {
    let careq_id = context.careq_id(context.number) + offset;
    let event = bodies::event(context, kind, careq_id, Some(context.time_at(0)), fields);
    Event { expected: ExpectedOutcome::Conflicting, ..event }
}
