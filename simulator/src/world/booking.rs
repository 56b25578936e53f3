//! A booking: the patient, the appointment, and what becomes of it. The same patient may book again, with newer details.

use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::Place;
use super::bodies::{self, Head, Parents};
use super::names::one;
use super::poison;
use super::staff::{DOCTORS, SERVICES};
use super::story::{Body, Event, Fate, Request, Story};
use super::unstamped;

/// Bookings that are a patient without stamps instead.
const UNSTAMPED_PERCENT: u8 = 5;

/// What kind of booking it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    /// As most.
    Ordinary,
    /// In one `POST /batch`, with its changes of status afterwards.
    Batch,
    /// The patient comes last.
    LateParent,
    /// The patient never comes.
    Orphan,
    /// A patient whose versions have no stamps, and no appointment.
    Unstamped,
    /// Something to be refused.
    Poison,
}

pub(super) fn story(place: &Place<'_>) -> Story {
    let mut chance = place.chance();
    let flavour = flavour(place, &mut chance);
    if flavour == Flavour::Poison {
        return poison::story(place, &mut chance);
    }
    if flavour == Flavour::Unstamped {
        return unstamped::story(place, &mut chance);
    }
    let is_known = matches!(flavour, Flavour::Ordinary | Flavour::Batch) && chance.random_bool(0.2);
    let patient = if is_known { known_patient(place, &mut chance) } else { place.number };
    let fate = if flavour == Flavour::Orphan { Fate::Orphaned } else { Fate::Applied };
    let booking =
        Booking { place, patient: place.careq_id(patient), careq_id: place.careq_id(place.number), fate };
    let patient = booking.patient(&mut chance);
    let appointment = booking.appointment(0, &mut chance);
    let changes = booking.changes(&mut chance);

    let mut requests = match flavour {
        Flavour::Batch => {
            let batch_id = format!("batch_{}", booking.careq_id);
            vec![Request::batch(place.clinic_id(), &batch_id, vec![patient, appointment])]
        }
        Flavour::LateParent => {
            let late = Request { is_late: true, ..Request::of(patient) };
            vec![Request::of(appointment), late]
        }
        Flavour::Orphan => vec![Request::of(appointment)],
        Flavour::Ordinary | Flavour::Unstamped | Flavour::Poison => {
            vec![Request::of(patient), Request::of(appointment)]
        }
    };
    requests.extend(changes.into_iter().map(Request::of));
    for request in &mut requests {
        request.is_repeated = percent(&mut chance, place.world.disorder.repeat_percent);
        if request.path != "/batch" && chance.random_bool(0.1) {
            request.idempotency_key =
                Some(format!("key-{}-{:016x}", booking.careq_id, chance.random::<u64>()));
        }
    }
    Story { requests }
}

fn flavour(place: &Place<'_>, chance: &mut ChaCha8Rng) -> Flavour {
    let disorder = place.world.disorder;
    if percent(chance, disorder.poison_percent) {
        Flavour::Poison
    } else if percent(chance, disorder.orphan_percent) {
        if chance.random_bool(0.7) { Flavour::LateParent } else { Flavour::Orphan }
    } else if percent(chance, disorder.batch_percent) {
        Flavour::Batch
    } else if percent(chance, UNSTAMPED_PERCENT) {
        Flavour::Unstamped
    } else {
        Flavour::Ordinary
    }
}

fn percent(chance: &mut ChaCha8Rng, share: u8) -> bool {
    chance.random_range(0..100) < share
}

/// The patient of an earlier booking, unless that is one who must never come.
fn known_patient(place: &Place<'_>, chance: &mut ChaCha8Rng) -> u64 {
    let number = chance.random_range(1..=place.number);
    let earlier = Place { number, ..*place };
    match flavour(&earlier, &mut earlier.chance()) {
        Flavour::Ordinary | Flavour::Batch => number,
        Flavour::LateParent | Flavour::Orphan | Flavour::Unstamped | Flavour::Poison => place.number,
    }
}

struct Booking<'place, 'world> {
    place: &'place Place<'world>,
    patient: i64,
    careq_id: i64,
    fate: Fate,
}

impl Booking<'_, '_> {
    fn head(&self, careq_id: i64, stamp: DateTime<Utc>) -> Head<'_> {
        Head { clinic_id: self.place.clinic_id(), careq_id, stamp: Some(stamp) }
    }

    fn event(&self, kind: Kind, head: Head<'_>, body: Body) -> Event {
        Event { kind, careq_id: head.careq_id, stamp: head.stamp, body, fate: self.fate }
    }

    fn patient(&self, chance: &mut ChaCha8Rng) -> Event {
        let head = self.head(self.patient, self.place.moment(0));
        self.event(Kind::Patient, head, bodies::patient(head, chance))
    }

    /// The appointment as it is booked, or as it is some minutes later.
    fn appointment(&self, minutes: i64, chance: &mut ChaCha8Rng) -> Event {
        let parents = Parents {
            patient: self.patient,
            doctor: self.place.careq_id(chance.random_range(0..DOCTORS)),
            service: self.place.careq_id(chance.random_range(0..SERVICES)),
        };
        let head = self.head(self.careq_id, self.place.moment(minutes));
        let booked_at = self.place.moment(0);
        self.event(Kind::Appointment, head, bodies::appointment(head, booked_at, parents, chance))
    }

    fn status(&self, minutes: i64, status: &str) -> Event {
        let head = self.head(self.careq_id, self.place.moment(minutes));
        self.event(Kind::Status, head, bodies::status(head, status))
    }

    fn cancellation(&self, minutes: i64, chance: &mut ChaCha8Rng) -> Event {
        let head = self.head(self.careq_id, self.place.moment(minutes));
        self.event(Kind::Cancel, head, bodies::cancellation(head, chance))
    }

    /// What becomes of it.
    fn changes(&self, chance: &mut ChaCha8Rng) -> Vec<Event> {
        let mut changes = Vec::new();
        if chance.random_bool(0.7) {
            changes.push(self.status(5, "confirmed"));
        }
        if chance.random_bool(0.15) {
            let mut moved = self.appointment(10, chance);
            moved.body.insert("status".to_owned(), "rescheduled".into());
            changes.push(moved);
        }
        match chance.random_range(0..10) {
            0..=4 => {
                changes.push(self.status(20, "in_progress"));
                changes.push(self.status(50, "completed"));
            }
            5..=6 => changes.push(self.cancellation(30, chance)),
            7 => changes.push(self.status(60, one(chance, &["no-show", "completed"]))),
            _ => {}
        }
        changes
    }
}
