//! The world that is played: clinics with their doctors, services and bookings. Every story follows from the seed and its
//! number alone, so that it is never kept: whoever needs it again makes it again.

mod bodies;
mod names;

mod booking;
mod poison;
mod staff;
mod story;
mod unstamped;

use chrono::{DateTime, TimeDelta, Utc};
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;

pub(crate) use story::{Body, Event, Fate, Refusal, Request, Story};

use crate::plan::{Disorder, Plan};

/// Events of an average booking, about: patient, appointment, and what becomes of it.
const EVENTS_PER_BOOKING: u64 = 4;

/// Record numbers of one run; no two seeds of the first thousand million share any.
const NUMBERS: i64 = 1_000_000;

/// The second of two that want the same thing is so much further.
const TWIN_OFFSET: i64 = NUMBERS / 2;

/// When the first booking was made.
const FIRST_BOOKING_S: i64 = 1_764_547_200;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) clinic_ids: Vec<String>,
    seed: u64,
    bookings: u64,
    disorder: Disorder,
}

impl World {
    pub(crate) fn of(plan: &Plan) -> Self {
        let clinic_ids = plan.clinics.iter().map(|clinic| clinic.clinic_id.clone()).collect();
        Self::new(clinic_ids, plan.seed, plan.events, plan.disorder)
    }

    pub(crate) fn new(clinic_ids: Vec<String>, seed: u64, events: u64, disorder: Disorder) -> Self {
        Self { clinic_ids, seed, bookings: events.div_ceil(EVENTS_PER_BOOKING).max(1), disorder }
    }

    /// How many stories there are: each clinic's staff first, then the bookings, one clinic after the other.
    pub(crate) fn stories(&self) -> u64 {
        self.clinics() + self.bookings
    }

    /// The clinic of a story.
    pub(crate) fn clinic_of(&self, story: u64) -> usize {
        usize::try_from(story % self.clinics()).unwrap_or_default()
    }

    pub(crate) fn story(&self, story: u64) -> Story {
        let place = Place { world: self, clinic: self.clinic_of(story), number: story / self.clinics() };
        if place.number == 0 { staff::story(&place) } else { booking::story(&place) }
    }

    /// The numbers that this run's records have.
    pub(crate) fn numbers(&self) -> std::ops::Range<i64> {
        let run = i64::try_from(self.seed % 1_000_000_000).unwrap_or_default();
        run * NUMBERS..(run + 1) * NUMBERS
    }

    fn clinics(&self) -> u64 {
        self.clinic_ids.len().max(1) as u64
    }
}

/// Where a story stands: in which clinic, and its number there.
struct Place<'world> {
    world: &'world World,
    clinic: usize,
    number: u64,
}

impl Place<'_> {
    /// The same chance each time.
    fn chance(&self) -> ChaCha8Rng {
        // Odd constants spread neighbouring seeds, clinics and numbers over all 64 bits.
        let mixed = self.world.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (self.clinic as u64).wrapping_mul(0xd1b5_4a32_d192_ed03)
            ^ self.number.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7);
        ChaCha8Rng::seed_from_u64(mixed)
    }

    fn clinic_id(&self) -> &str {
        self.world.clinic_ids.get(self.clinic).map_or("", String::as_str)
    }

    /// A record's number in this run.
    fn careq_id(&self, number: u64) -> i64 {
        self.world.numbers().start + 1 + i64::try_from(number).unwrap_or_default() % (TWIN_OFFSET - 1)
    }

    /// Minutes after the story began; every story begins at a second of its own.
    fn moment(&self, minutes: i64) -> DateTime<Utc> {
        let began_s = FIRST_BOOKING_S + i64::try_from(self.number).unwrap_or_default();
        DateTime::from_timestamp(began_s, 0).unwrap_or_default() + TimeDelta::minutes(minutes)
    }
}
