//! Context from which one scenario is generated: the clinic, the scenario's number, and the random numbers that follow.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;

use crate::plan::Disorder;

/// Record numbers of one run.
const RECORD_NUMBERS: i64 = 1_000_000;

/// Seeds below this number share no record number.
const DISJOINT_SEEDS: u64 = 1_000_000_000;

/// Distance of the record numbers of two conflicting events.
pub(super) const CONFLICT_OFFSET: i64 = RECORD_NUMBERS / 2;

/// Time of the first booking: 1 December 2025, 00:00 UTC.
const FIRST_BOOKING: DateTime<Utc> = DateTime::from_timestamp(1_764_547_200, 0).expect("a valid time");

#[derive(Debug, Clone, Copy)]
pub(super) struct ScenarioContext<'world> {
    pub(super) clinic_id: &'world str,
    /// Index of the clinic.
    pub(super) clinic: u64,
    /// Number of the scenario within its clinic; 0 is the staff.
    pub(super) number: u64,
    pub(super) seed: u64,
    pub(super) disorder: Disorder,
}

impl ScenarioContext<'_> {
    /// The generator of the scenario's random numbers, always in its initial state.
    pub(super) fn rng(&self) -> ChaCha8Rng {
        // Odd constants spread neighbouring seeds, clinics and numbers over all 64 bits.
        let mixed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ self.clinic.wrapping_mul(0xd1b5_4a32_d192_ed03)
            ^ self.number.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7);
        ChaCha8Rng::seed_from_u64(mixed)
    }

    /// `careq_id` of a record.
    pub(super) fn careq_id(&self, number: u64) -> i64 {
        record_numbers(self.seed).start + 1 + number.cast_signed() % (CONFLICT_OFFSET - 1)
    }

    /// A time some minutes after the beginning of the scenario. No two scenarios of a clinic begin in the same second.
    pub(super) fn time_at(&self, minutes: i64) -> DateTime<Utc> {
        FIRST_BOOKING + TimeDelta::seconds(self.number.cast_signed()) + TimeDelta::minutes(minutes)
    }
}

/// Record numbers of the run with this seed.
pub(super) fn record_numbers(seed: u64) -> Range<i64> {
    let run = (seed % DISJOINT_SEEDS).cast_signed();
    run * RECORD_NUMBERS..(run + 1) * RECORD_NUMBERS
}
