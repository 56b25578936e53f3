//! Scenario of a clinic's doctors and services, to which all bookings refer. Some have no time stamp, as in the specification's
//! sample data.

use careq_shared::records::Kind;
use rand::RngExt as _;

use super::bodies;
use super::context::ScenarioContext;
use super::scenario::{Request, Scenario};

/// Doctors of each clinic.
pub(super) const DOCTORS: u64 = 8;

/// Services of each clinic.
pub(super) const SERVICES: u64 = 5;

pub(super) fn scenario(context: &ScenarioContext<'_>) -> Scenario {
    let mut rng = context.rng();
    let doctors = (0..DOCTORS).map(|number| (Kind::Doctor, number));
    let services = (0..SERVICES).map(|number| (Kind::Service, number));
    let mut requests = Vec::new();
    for (kind, number) in doctors.chain(services) {
        let versions = rng.random_range(1..=2);
        let has_stamps = versions > 1 || rng.random_bool(0.7);
        for version in 0..versions {
            let stamp = has_stamps.then(|| context.time_at(version));
            let fields =
                if kind == Kind::Doctor { bodies::doctor(&mut rng) } else { bodies::service(&mut rng) };
            let event = bodies::event(context, kind, context.careq_id(number), stamp, fields);
            requests.push(Request::webhook(event));
        }
    }
    Scenario { requests }
}
