//! Order of the requests: scenario by scenario, or shuffled. It follows from the plan alone.

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;

use crate::plan::Plan;
use crate::world::World;
use crate::world::scenario::Scenario;

/// Scenarios whose requests are shuffled together.
const SHUFFLED_SCENARIOS: usize = 32;

/// Position of a request in its scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId {
    pub(super) scenario: u64,
    pub(super) request: usize,
    /// The request has been sent before.
    pub(super) is_copy: bool,
}

/// A request to be sent, with its scenario, so that the scenario is generated once for all of its requests.
#[derive(Debug, Clone)]
pub(super) struct ScheduledRequest {
    pub(super) id: RequestId,
    pub(super) scenario: Arc<Scenario>,
}

impl ScheduledRequest {
    pub(super) fn new(world: &World, id: RequestId) -> Self {
        Self { id, scenario: Arc::new(world.scenario(id.scenario)) }
    }

    /// Delayed requests whose delay begins with this request. The first request of a scenario begins all of them.
    pub(super) fn delayed(&self) -> impl Iterator<Item = RequestId> {
        let is_first = self.id.request == 0 && !self.id.is_copy;
        let requests = (0..).zip(&self.scenario.requests).filter(move |_| is_first);
        let delayed = requests.filter(|(_, request)| request.is_delayed);
        delayed.map(|(request, _)| RequestId { request, ..self.id })
    }
}

/// Every request of the world, in groups whose requests are sent one after another. Requests that are delayed or that follow
/// another one are left out.
pub(super) fn groups(plan: &Plan, world: &World) -> impl Iterator<Item = Vec<ScheduledRequest>> {
    let together = if plan.disorder.shuffle { SHUFFLED_SCENARIOS } else { 1 };
    (0..world.scenarios()).step_by(together).map(move |first| {
        let scenarios = (first..world.scenarios()).take(together);
        let mut requests: Vec<_> = scenarios.flat_map(|number| requests_of(world, number)).collect();
        if plan.disorder.shuffle {
            requests.shuffle(&mut ChaCha8Rng::seed_from_u64(plan.seed ^ first));
        }
        requests
    })
}

/// The requests of a scenario, and afterwards the copies of those that are repeated.
fn requests_of(world: &World, number: u64) -> Vec<ScheduledRequest> {
    let scenario = Arc::new(world.scenario(number));
    let mut requests = Vec::new();
    for is_copy in [false, true] {
        for (position, request) in scenario.requests.iter().enumerate() {
            if !request.is_delayed && !request.follows && (request.is_repeated || !is_copy) {
                let id = RequestId { scenario: number, request: position, is_copy };
                requests.push(ScheduledRequest { id, scenario: Arc::clone(&scenario) });
            }
        }
    }
    requests
}
