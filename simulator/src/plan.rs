//! What is to be played. A plan and its seed say everything: playing it twice must send the very same events.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::SimulatorError;
use crate::clinic::Clinic;
use crate::world::World;

/// One run of the simulator.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Base URLs of the ingresses, without a path; requests go to them in turn.
    pub targets: Vec<String>,
    /// The clinics that call.
    pub clinics: Vec<Clinic>,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// About how many events; whole bookings are played.
    pub events: u64,
    /// Requests per second; `None` sends as fast as answers come.
    pub rate_per_second: Option<u32>,
    /// Requests that may be under way at the same time.
    pub connections: usize,
    /// What does not go as it should.
    pub disorder: Disorder,
    /// What happens to a request that is not answered.
    pub retry: Retry,
    /// How long the installation may take, after the last answer, until every event is settled.
    pub settle_within: Duration,
}

impl Plan {
    /// Bookings of a clinic whose records have numbers of their own.
    const MAX_BOOKINGS: u64 = 400_000;

    pub(crate) fn require_playable(&self) -> Result<(), SimulatorError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = self.clinics.iter().find(|clinic| !names.insert(&clinic.clinic_id)) {
            return Err(SimulatorError::ClinicTwice(twice.clinic_id.clone()));
        }
        if names.is_empty() {
            return Err(SimulatorError::NoClinics);
        }
        if World::of(self).stories() / names.len() as u64 > Self::MAX_BOOKINGS {
            return Err(SimulatorError::TooMany(Self::MAX_BOOKINGS));
        }
        Ok(())
    }
}

/// What does not go as it should; shares in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disorder {
    /// Whether the requests of many bookings are mixed in any order.
    pub shuffle: bool,
    /// Requests that are sent three times.
    pub repeat_percent: u8,
    /// Bookings whose patient comes late, or never.
    pub orphan_percent: u8,
    /// How long after its appointment a late patient comes; at the end of the run, if that is earlier.
    pub late_after: Duration,
    /// Bookings that are something to be refused instead.
    pub poison_percent: u8,
    /// Bookings that come as a batch.
    pub batch_percent: u8,
}

/// `CareQ`'s retries (API specification, "Retry Logic").
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The delay before the first retry; it doubles with each of the others.
    pub first_delay: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Retry {
    /// Retries after the first attempt.
    const MOST: u32 = 3;

    /// 5 s, 10 s and 20 s by the specification.
    pub(crate) fn delays(self) -> impl Iterator<Item = Duration> {
        (0..Self::MOST).map(move |doubled| self.first_delay * 2_u32.pow(doubled))
    }
}
