//! A patient whose details come again and again without `updated_at`: the version that was sent last is the newest. It must
//! never be sent before the one before it was acknowledged, since nothing else says which is the newer.

use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::Place;
use super::bodies::{self, Head};
use super::story::{Event, Fate, Request, Story};

pub(super) fn story(place: &Place<'_>, chance: &mut ChaCha8Rng) -> Story {
    let head = Head { clinic_id: place.clinic_id(), careq_id: place.careq_id(place.number), stamp: None };
    let mut version = |follows| {
        let body = bodies::patient(head, chance);
        let event =
            Event { kind: Kind::Patient, careq_id: head.careq_id, stamp: None, body, fate: Fate::Applied };
        Request { follows, ..Request::of(event) }
    };
    let first = version(false);
    let later = (0..chance_of_more(place)).map(|_| version(true));
    Story { requests: std::iter::once(first).chain(later).collect() }
}

/// One to four more versions.
fn chance_of_more(place: &Place<'_>) -> u8 {
    place.chance().random_range(1..=4)
}
