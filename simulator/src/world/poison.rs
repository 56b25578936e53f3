//! Requests that must be refused, and pairs of which one must be. A poisoned story must never touch a record of another.

use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::json;

use super::bodies::{self, Head, Parents};
use super::story::{Body, Event, Fate, Refusal, Request, Story, written};
use super::{Place, TWIN_OFFSET};

pub(super) fn story(place: &Place<'_>, chance: &mut ChaCha8Rng) -> Story {
    let head = head(place, 0);
    let mut patient = bodies::patient(head, chance);
    let refused = |body, status| {
        Request::poison(Refusal { status, kind: Kind::Patient, careq_id: head.careq_id }, body)
    };
    let requests = match chance.random_range(0..5) {
        0 => {
            let cut_off = written(&patient).split_to(40);
            vec![refused(cut_off, 400)]
        }
        1 => {
            patient.insert("phone_number".to_owned(), json!("12345"));
            patient.insert("date_of_birth".to_owned(), json!("15/05/1990"));
            vec![refused(written(&patient), 422)]
        }
        2 => {
            patient.insert("clinic_id".to_owned(), json!("somebody-elses-clinic"));
            vec![refused(written(&patient), 401)]
        }
        3 => one_hash_for_two(place, chance),
        _ => one_key_for_two(place, chance),
    };
    Story { requests }
}

/// Two appointments that claim the same `hash`. Their patient is their own.
fn one_hash_for_two(place: &Place<'_>, chance: &mut ChaCha8Rng) -> Vec<Request> {
    let first = head(place, 0);
    let patient =
        Event { fate: Fate::Applied, ..event(Kind::Patient, first, bodies::patient(first, chance)) };
    let parents = Parents { patient: first.careq_id, doctor: place.careq_id(0), service: place.careq_id(0) };
    let mut requests = vec![Request::of(patient)];
    for offset in [0, TWIN_OFFSET] {
        let head = head(place, offset);
        let mut body = bodies::appointment(head, place.moment(0), parents, chance);
        body.insert("hash".to_owned(), json!(format!("hash-{}", first.careq_id)));
        requests.push(Request::of(event(Kind::Appointment, head, body)));
    }
    requests
}

/// Two patients under the same `Idempotency-Key`.
fn one_key_for_two(place: &Place<'_>, chance: &mut ChaCha8Rng) -> Vec<Request> {
    let key = format!("twice-{}", place.careq_id(place.number));
    let twin = |offset| {
        let head = head(place, offset);
        let twin = Request::of(event(Kind::Patient, head, bodies::patient(head, chance)));
        Request { idempotency_key: Some(key.clone()), ..twin }
    };
    [0, TWIN_OFFSET].map(twin).into()
}

fn head<'place>(place: &'place Place<'_>, offset: i64) -> Head<'place> {
    Head {
        clinic_id: place.clinic_id(),
        careq_id: place.careq_id(place.number) + offset,
        stamp: Some(place.moment(0)),
    }
}

fn event(kind: Kind, head: Head<'_>, body: Body) -> Event {
    Event { kind, careq_id: head.careq_id, stamp: head.stamp, body, fate: Fate::Twin }
}
