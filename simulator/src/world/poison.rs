//! Scenarios with requests that must be refused, and with conflicting events. They touch no record of another scenario.

use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::json;

use super::bodies::{self, CommonFields, Parents};
use super::context::{CONFLICT_OFFSET, ScenarioContext};
use super::scenario::{Body, Event, ExpectedOutcome, Refusal, Request, Scenario, to_bytes};

pub(super) fn scenario(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Scenario {
    let common = common(context, 0);
    let mut patient = bodies::patient(common, rng);
    let refused = |body, status| {
        Request::poison(Refusal { status, kind: Kind::Patient, careq_id: common.careq_id }, body)
    };
    let requests = match rng.random_range(0..5) {
        0 => {
            let cut_off = to_bytes(&patient).split_to(40);
            vec![refused(cut_off, 400)]
        }
        1 => {
            patient.insert("phone_number".to_owned(), json!("12345"));
            patient.insert("date_of_birth".to_owned(), json!("15/05/1990"));
            vec![refused(to_bytes(&patient), 422)]
        }
        2 => {
            patient.insert("clinic_id".to_owned(), json!("another-clinic"));
            vec![refused(to_bytes(&patient), 401)]
        }
        3 => same_hash(context, rng),
        _ => same_key(context, rng),
    };
    Scenario { requests }
}

/// Two appointments with the same `hash`, and their patient.
fn same_hash(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Vec<Request> {
    let first = common(context, 0);
    let patient = Event {
        expected: ExpectedOutcome::Applied,
        ..event(Kind::Patient, first, bodies::patient(first, rng))
    };
    let parents =
        Parents { patient: first.careq_id, doctor: context.careq_id(0), service: context.careq_id(0) };
    let mut requests = vec![Request::of(patient)];
    for offset in [0, CONFLICT_OFFSET] {
        let common = common(context, offset);
        let mut body = bodies::appointment(common, context.time_at(0), parents, rng);
        body.insert("hash".to_owned(), json!(format!("hash-{}", first.careq_id)));
        requests.push(Request::of(event(Kind::Appointment, common, body)));
    }
    requests
}

/// Two patients with the same `Idempotency-Key`.
fn same_key(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Vec<Request> {
    let key = format!("twice-{}", context.careq_id(context.number));
    let request = |offset| {
        let common = common(context, offset);
        let request = Request::of(event(Kind::Patient, common, bodies::patient(common, rng)));
        Request { idempotency_key: Some(key.clone()), ..request }
    };
    [0, CONFLICT_OFFSET].map(request).into()
}

fn common<'context>(context: &'context ScenarioContext<'_>, offset: i64) -> CommonFields<'context> {
    CommonFields {
        clinic_id: context.clinic_id,
        careq_id: context.careq_id(context.number) + offset,
        stamp: Some(context.time_at(0)),
    }
}

fn event(kind: Kind, common: CommonFields<'_>, body: Body) -> Event {
    Event {
        kind,
        careq_id: common.careq_id,
        stamp: common.stamp,
        body,
        expected: ExpectedOutcome::Conflicting,
    }
}
