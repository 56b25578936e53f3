//! Scenario of a clinic's doctors and services, to which all bookings refer. Some have no time stamp, as in the specification's
//! sample data.

use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::bodies::{self, CommonFields};
use super::context::ScenarioContext;
use super::scenario::{Event, ExpectedOutcome, Request, Scenario};

/// Doctors of each clinic.
pub(super) const DOCTORS: u64 = 8;

/// Services of each clinic.
pub(super) const SERVICES: u64 = 5;

pub(super) fn scenario(context: &ScenarioContext<'_>) -> Scenario {
    let mut rng = context.rng();
    let numbered = (0..DOCTORS)
        .map(|number| (Kind::Doctor, number))
        .chain((0..SERVICES).map(|number| (Kind::Service, number)));
    let mut requests = Vec::new();
    for (kind, number) in numbered {
        let versions = rng.random_range(1..=2);
        let has_stamps = versions > 1 || rng.random_bool(0.7);
        for version in 0..versions {
            let stamp = has_stamps.then(|| context.time_at(version));
            let common =
                CommonFields { clinic_id: context.clinic_id, careq_id: context.careq_id(number), stamp };
            requests.push(Request::of(event(kind, common, &mut rng)));
        }
    }
    Scenario { requests }
}

fn event(kind: Kind, common: CommonFields<'_>, rng: &mut ChaCha8Rng) -> Event {
    let body = match kind {
        Kind::Doctor => bodies::doctor(common, rng),
        _ => bodies::service(common, rng),
    };
    Event { kind, careq_id: common.careq_id, stamp: common.stamp, body, expected: ExpectedOutcome::Applied }
}
