//! Scenario of a patient whose versions have no `updated_at`: the version sent last is the newest.
//!
//! Each version is sent after the one before it was acknowledged, because only that order makes it the newer one.

use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::bodies::{self, CommonFields};
use super::context::ScenarioContext;
use super::scenario::{Event, ExpectedOutcome, Request, Scenario};

pub(super) fn scenario(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Scenario {
    let common = CommonFields {
        clinic_id: context.clinic_id,
        careq_id: context.careq_id(context.number),
        stamp: None,
    };
    let mut version = |follows| {
        let body = bodies::patient(common, rng);
        let event = Event {
            kind: Kind::Patient,
            careq_id: common.careq_id,
            stamp: None,
            body,
            expected: ExpectedOutcome::Applied,
        };
        Request { follows, ..Request::of(event) }
    };
    let first = version(false);
    let later = (0..further_versions(context)).map(|_| version(true));
    Scenario { requests: std::iter::once(first).chain(later).collect() }
}

/// One to four more versions.
fn further_versions(context: &ScenarioContext<'_>) -> u8 {
    context.rng().random_range(1..=4)
}
