//! The generated world: clinics with their doctors, services and bookings.
//!
//! A scenario follows from the seed and its number alone. It is generated again whenever it is needed, so none is stored.

pub(crate) mod bodies;
pub(crate) mod scenario;

mod booking;
mod context;
mod names;
mod poison;
mod staff;

use std::ops::Range;

use bytes::Bytes;
use careq_shared::records::Kind;
use context::{ScenarioContext, record_numbers};
use scenario::Scenario;

use crate::plan::{Disorder, Plan};

/// Average number of events of a booking: patient, appointment, and its changes of status.
const EVENTS_PER_BOOKING: u64 = 4;

#[derive(Debug, Clone)]
pub(crate) struct World {
    /// At least one.
    pub(crate) clinic_ids: Vec<String>,
    seed: u64,
    bookings: u64,
    disorder: Disorder,
}

impl World {
    pub(crate) fn from_plan(plan: &Plan) -> Self {
        let clinic_ids = plan.clinics.iter().map(|clinic| clinic.clinic_id.clone()).collect();
        Self::new(clinic_ids, plan.seed, plan.events, plan.disorder)
    }

    pub(crate) fn new(clinic_ids: Vec<String>, seed: u64, events: u64, disorder: Disorder) -> Self {
        Self { clinic_ids, seed, bookings: events.div_ceil(EVENTS_PER_BOOKING).max(1), disorder }
    }

    /// Number of scenarios. The first ones are the staff of each clinic. The bookings follow, for the clinics in turn.
    pub(crate) fn scenarios(&self) -> u64 {
        self.clinics() + self.bookings
    }

    /// Index of a scenario's clinic.
    pub(crate) fn clinic_of(&self, scenario: u64) -> usize {
        in_turn(scenario, self.clinic_ids.len())
    }

    /// Generates a scenario.
    pub(crate) fn scenario(&self, scenario: u64) -> Scenario {
        let clinic = self.clinic_of(scenario);
        let context = ScenarioContext {
            clinic_id: &self.clinic_ids[clinic],
            clinic: clinic as u64,
            number: scenario / self.clinics(),
            seed: self.seed,
            disorder: self.disorder,
        };
        if context.number == 0 { staff::scenario(&context) } else { booking::scenario(&context) }
    }

    /// Record numbers (`careq_id`) of this run.
    pub(crate) fn record_numbers(&self) -> Range<i64> {
        record_numbers(self.seed)
    }

    fn clinics(&self) -> u64 {
        self.clinic_ids.len() as u64
    }
}

/// Index of the item of a list that is used for a number, if the numbers use the items in turn.
#[expect(clippy::cast_possible_truncation, reason = "the remainder is less than the length")]
pub(crate) const fn in_turn(number: u64, length: usize) -> usize {
    (number % length as u64) as usize
}

/// A webhook of one event.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Kind of the event.
    pub kind: Kind,
    /// Path below the API's base path.
    pub path: &'static str,
    /// Body, as JSON.
    pub body: Bytes,
}

/// At least about `events` webhooks of one clinic in the order of its bookings, its staff first, without any disorder, for a
/// program that measures an installation with its own client.
///
/// Two seeds below 10^9 share no record.
pub fn webhooks(clinic_id: &str, seed: u64, events: u64) -> impl Iterator<Item = Webhook> {
    let world = World::new(vec![clinic_id.to_owned()], seed, events, Disorder::default());
    let scenarios = (0..world.scenarios()).map(move |number| world.scenario(number));
    scenarios.flat_map(|scenario| scenario.requests).filter_map(|request| {
        let kind = request.events.first()?.kind;
        Some(Webhook { kind, path: request.path, body: request.body })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(seed: u64) -> World {
        let disorder =
            Disorder { repeat_percent: 20, orphan_percent: 20, poison_percent: 20, ..Disorder::default() };
        World::new(vec!["a".to_owned(), "b".to_owned()], seed, 400, disorder)
    }

    fn bodies(world: &World) -> Vec<Bytes> {
        let requests = (0..world.scenarios()).flat_map(|number| world.scenario(number).requests);
        requests.map(|request| request.body).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_requests_and_another_one_does_not() {
        assert_eq!(bodies(&world(7)), bodies(&world(7)));
        assert_ne!(bodies(&world(7)), bodies(&world(8)));
    }

    #[test]
    fn every_record_has_a_number_of_its_run() {
        let world = world(7);
        let numbers = world.record_numbers();
        for scenario in (0..world.scenarios()).map(|number| world.scenario(number)) {
            assert!(scenario.events().all(|event| numbers.contains(&event.careq_id)));
        }
    }
}
