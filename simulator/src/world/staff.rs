//! A clinic's doctors and services, which every booking needs. Some have no stamp, as in the specification's sample data.

use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::Place;
use super::bodies::{self, Head};
use super::story::{Event, Fate, Request, Story};

/// Doctors of a clinic.
pub(super) const DOCTORS: u64 = 8;

/// Services of a clinic.
pub(super) const SERVICES: u64 = 5;

pub(super) fn story(place: &Place<'_>) -> Story {
    let mut chance = place.chance();
    let numbered = (0..DOCTORS)
        .map(|number| (Kind::Doctor, number))
        .chain((0..SERVICES).map(|number| (Kind::Service, number)));
    let mut requests = Vec::new();
    for (kind, number) in numbered {
        let versions = chance.random_range(1..=2);
        let has_stamps = versions > 1 || chance.random_bool(0.7);
        for version in 0..versions {
            let stamp = has_stamps.then(|| place.moment(version));
            let head = Head { clinic_id: place.clinic_id(), careq_id: place.careq_id(number), stamp };
            requests.push(Request::of(event(kind, head, &mut chance)));
        }
    }
    Story { requests }
}

fn event(kind: Kind, head: Head<'_>, chance: &mut ChaCha8Rng) -> Event {
    let body = match kind {
        Kind::Doctor => bodies::doctor(head, chance),
        _ => bodies::service(head, chance),
    };
    Event { kind, careq_id: head.careq_id, stamp: head.stamp, body, fate: Fate::Applied }
}
