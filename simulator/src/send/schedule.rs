//! Order of the requests: scenario by scenario, or shuffled. It follows from the plan alone.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;

use crate::plan::Plan;
use crate::world::World;
use crate::world::scenario::Scenario;

/// Scenarios whose requests are shuffled together.
const SHUFFLED_SCENARIOS: u64 = 32;

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

/// Source of requests, shared by all senders.
#[derive(Debug)]
pub(super) enum Schedule {
    /// Every scenario; the number is that of the next one.
    Scenarios(AtomicU64),
    /// These requests only.
    Requests(Mutex<Vec<RequestId>>),
}

impl Schedule {
    /// Every scenario of the world.
    pub(super) fn all() -> Self {
        Self::Scenarios(AtomicU64::new(0))
    }

    pub(super) fn of(ids: Vec<RequestId>) -> Self {
        Self::Requests(Mutex::new(ids))
    }

    /// The next requests of one sender, without delayed ones; `None` at the end.
    pub(super) fn next(&self, plan: &Plan, world: &World) -> Option<Vec<ScheduledRequest>> {
        match self {
            Self::Requests(ids) => {
                let id = ids.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
                Some(vec![ScheduledRequest::new(world, id)])
            }
            Self::Scenarios(next) => {
                let together = if plan.disorder.shuffle { SHUFFLED_SCENARIOS } else { 1 };
                let first = next.fetch_add(together, Ordering::Relaxed);
                let scenarios = first..(first + together).min(world.scenarios());
                (!scenarios.is_empty()).then(|| requests_of(scenarios, plan, world))
            }
        }
    }
}

impl ScheduledRequest {
    pub(super) fn new(world: &World, id: RequestId) -> Self {
        Self { id, scenario: Arc::new(world.scenario(id.scenario)) }
    }

    /// The request that is sent after this one is acknowledged.
    pub(super) fn successor(&self) -> Option<Self> {
        let request = self.id.request + 1;
        let follows = self.scenario.requests.get(request).is_some_and(|request| request.follows);
        follows.then(|| Self { id: RequestId { request, ..self.id }, scenario: Arc::clone(&self.scenario) })
    }

    /// Delayed requests whose delay begins with this request. The first request of a scenario begins all of them.
    pub(super) fn delayed(&self) -> impl Iterator<Item = RequestId> {
        let RequestId { scenario, request, is_copy } = self.id;
        let requests = (0..).zip(&self.scenario.requests).filter(move |_| request == 0 && !is_copy);
        requests.filter(|(_, request)| request.is_delayed).map(move |(request, _)| RequestId {
            scenario,
            request,
            is_copy: false,
        })
    }
}

fn requests_of(scenarios: Range<u64>, plan: &Plan, world: &World) -> Vec<ScheduledRequest> {
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed ^ scenarios.start);
    let mut requests = Vec::new();
    for number in scenarios {
        let scenario = Arc::new(world.scenario(number));
        let scheduled = |id| ScheduledRequest { id, scenario: Arc::clone(&scenario) };
        let mut copies = Vec::new();
        for (position, request) in scenario.requests.iter().enumerate() {
            if request.is_delayed || request.follows {
                continue;
            }
            let id = RequestId { scenario: number, request: position, is_copy: false };
            requests.push(scheduled(id));
            if request.is_repeated {
                copies.push(scheduled(RequestId { is_copy: true, ..id }));
            }
        }
        requests.extend(copies);
    }
    if plan.disorder.shuffle {
        requests.shuffle(&mut rng);
    }
    requests
}
