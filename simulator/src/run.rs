//! Context of one run, shared by sending and checking: the plan, its world, and the client.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::client::authenticator::Authenticator;
use crate::client::http_client::HttpClient;
use crate::error::SimulatorError;
use crate::plan::Plan;
use crate::tally::LiveCounters;
use crate::world::World;

/// Bookings of one clinic for which the run has record numbers.
const MAX_BOOKINGS: u64 = 400_000;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) plan: Arc<Plan>,
    pub(crate) world: Arc<World>,
    pub(crate) client: Arc<HttpClient>,
    /// One for each clinic, in the order of the plan.
    pub(crate) authenticators: Arc<[Authenticator]>,
    pub(crate) live: Arc<LiveCounters>,
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Result<Self, SimulatorError> {
        let world = validated_world(&plan)?;
        let client = HttpClient::new(&plan.targets, plan.connections, plan.retry.timeout)?;
        let authenticators = plan.clinics.iter().map(Authenticator::new).collect::<Result<_, _>>()?;
        Ok(Self {
            authenticators,
            world: Arc::new(world),
            plan: Arc::new(plan),
            client: Arc::new(client),
            live: Arc::default(),
        })
    }

    /// The authenticator of a scenario's clinic.
    pub(crate) fn authenticator_of(&self, scenario: u64) -> &Authenticator {
        &self.authenticators[self.world.clinic_of(scenario)]
    }
}

fn validated_world(plan: &Plan) -> Result<World, SimulatorError> {
    let mut names = BTreeSet::new();
    if let Some(duplicate) = plan.clinics.iter().find(|clinic| !names.insert(&clinic.clinic_id)) {
        return Err(SimulatorError::DuplicateClinic(duplicate.clinic_id.clone()));
    }
    if names.is_empty() {
        return Err(SimulatorError::NoClinics);
    }
    let world = World::of(plan);
    if world.scenarios() / names.len() as u64 > MAX_BOOKINGS {
        return Err(SimulatorError::TooManyBookings(MAX_BOOKINGS));
    }
    Ok(world)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clinic::Clinic;
    use crate::plan::{Disorder, Retry};

    fn plan(clinics: &[&str], events: u64) -> Plan {
        let clinic = |id: &&str| Clinic {
            clinic_id: (*id).to_owned(),
            token: "token".to_owned().into(),
            api_key: None,
            webhook_secret: None,
            signing_secret: None,
        };
        Plan {
            targets: vec!["http://127.0.0.1:8080".to_owned()],
            clinics: clinics.iter().map(clinic).collect(),
            seed: 1,
            events,
            rate_per_second: None,
            connections: 1,
            disorder: Disorder::default(),
            retry: Retry { first_delay: Duration::ZERO, timeout: Duration::ZERO },
            settle_within: Duration::ZERO,
        }
    }

    #[test]
    fn a_plan_needs_distinct_clinics_and_enough_record_numbers() {
        assert!(validated_world(&plan(&["a", "b"], 1_000)).is_ok());
        assert!(matches!(validated_world(&plan(&[], 1_000)), Err(SimulatorError::NoClinics)));
        assert!(matches!(
            validated_world(&plan(&["a", "a"], 1_000)),
            Err(SimulatorError::DuplicateClinic(name)) if name == "a"
        ));
        assert!(matches!(
            validated_world(&plan(&["a"], 4 * (MAX_BOOKINGS + 1))),
            Err(SimulatorError::TooManyBookings(MAX_BOOKINGS))
        ));
    }
}
