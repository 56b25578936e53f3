//! Scenario of a booking: a patient, an appointment, and its changes of status. A patient may book again with newer details.

use careq_shared::records::Kind;
use chrono::{DateTime, Utc};
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

use super::bodies::{self, CommonFields, Parents};
use super::context::ScenarioContext;
use super::names::one;
use super::poison;
use super::scenario::{Body, Event, ExpectedOutcome, Request, Scenario};
use super::staff::{DOCTORS, SERVICES};
use super::unstamped;

/// Scenarios that consist of a patient without time stamps instead of a booking.
const UNSTAMPED_PERCENT: u8 = 5;

/// Kind of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BookingKind {
    /// Single requests in the usual order.
    Ordinary,
    /// Patient and appointment in one `POST /batch`, changes of status afterwards.
    Batch,
    /// The patient arrives after the appointment.
    LateParent,
    /// The patient never arrives.
    Orphan,
    /// A patient without time stamps, and no appointment.
    Unstamped,
    /// Requests that must be refused.
    Poison,
}

pub(super) fn scenario(context: &ScenarioContext<'_>) -> Scenario {
    let mut rng = context.rng();
    let kind = kind(context, &mut rng);
    if kind == BookingKind::Poison {
        return poison::scenario(context, &mut rng);
    }
    if kind == BookingKind::Unstamped {
        return unstamped::scenario(context, &mut rng);
    }
    let is_known = matches!(kind, BookingKind::Ordinary | BookingKind::Batch) && rng.random_bool(0.2);
    let patient = if is_known { known_patient(context, &mut rng) } else { context.number };
    let expected =
        if kind == BookingKind::Orphan { ExpectedOutcome::Orphaned } else { ExpectedOutcome::Applied };
    let booking = Booking {
        context,
        patient: context.careq_id(patient),
        careq_id: context.careq_id(context.number),
        expected,
    };
    let patient = booking.patient(&mut rng);
    let appointment = booking.appointment(0, &mut rng);
    let changes = booking.changes(&mut rng);

    let mut requests = match kind {
        BookingKind::Batch => {
            let batch_id = format!("batch_{}", booking.careq_id);
            vec![Request::batch(context.clinic_id, &batch_id, vec![patient, appointment])]
        }
        BookingKind::LateParent => {
            let delayed = Request { is_delayed: true, ..Request::of(patient) };
            vec![Request::of(appointment), delayed]
        }
        BookingKind::Orphan => vec![Request::of(appointment)],
        BookingKind::Ordinary | BookingKind::Unstamped | BookingKind::Poison => {
            vec![Request::of(patient), Request::of(appointment)]
        }
    };
    requests.extend(changes.into_iter().map(Request::of));
    for request in &mut requests {
        request.is_repeated = percent(&mut rng, context.disorder.repeat_percent);
        if request.path != "/batch" && rng.random_bool(0.1) {
            request.idempotency_key = Some(format!("key-{}-{:016x}", booking.careq_id, rng.random::<u64>()));
        }
    }
    Scenario { requests }
}

fn kind(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> BookingKind {
    let disorder = context.disorder;
    if percent(rng, disorder.poison_percent) {
        BookingKind::Poison
    } else if percent(rng, disorder.orphan_percent) {
        if rng.random_bool(0.7) { BookingKind::LateParent } else { BookingKind::Orphan }
    } else if percent(rng, disorder.batch_percent) {
        BookingKind::Batch
    } else if percent(rng, UNSTAMPED_PERCENT) {
        BookingKind::Unstamped
    } else {
        BookingKind::Ordinary
    }
}

fn percent(rng: &mut ChaCha8Rng, share: u8) -> bool {
    rng.random_range(0..100) < share
}

/// The patient of an earlier booking, or a new one if that booking sends no patient or sends it late.
fn known_patient(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> u64 {
    let number = rng.random_range(1..=context.number);
    let earlier = ScenarioContext { number, ..*context };
    match kind(&earlier, &mut earlier.rng()) {
        BookingKind::Ordinary | BookingKind::Batch => number,
        BookingKind::LateParent | BookingKind::Orphan | BookingKind::Unstamped | BookingKind::Poison => {
            context.number
        }
    }
}

struct Booking<'context, 'world> {
    context: &'context ScenarioContext<'world>,
    patient: i64,
    careq_id: i64,
    expected: ExpectedOutcome,
}

impl Booking<'_, '_> {
    fn common(&self, careq_id: i64, stamp: DateTime<Utc>) -> CommonFields<'_> {
        CommonFields { clinic_id: self.context.clinic_id, careq_id, stamp: Some(stamp) }
    }

    fn event(&self, kind: Kind, common: CommonFields<'_>, body: Body) -> Event {
        Event { kind, careq_id: common.careq_id, stamp: common.stamp, body, expected: self.expected }
    }

    fn patient(&self, rng: &mut ChaCha8Rng) -> Event {
        let common = self.common(self.patient, self.context.time_at(0));
        self.event(Kind::Patient, common, bodies::patient(common, rng))
    }

    /// The appointment, in the version of some minutes after the booking.
    fn appointment(&self, minutes: i64, rng: &mut ChaCha8Rng) -> Event {
        let parents = Parents {
            patient: self.patient,
            doctor: self.context.careq_id(rng.random_range(0..DOCTORS)),
            service: self.context.careq_id(rng.random_range(0..SERVICES)),
        };
        let common = self.common(self.careq_id, self.context.time_at(minutes));
        let booked_at = self.context.time_at(0);
        self.event(Kind::Appointment, common, bodies::appointment(common, booked_at, parents, rng))
    }

    fn status(&self, minutes: i64, status: &str) -> Event {
        let common = self.common(self.careq_id, self.context.time_at(minutes));
        self.event(Kind::Status, common, bodies::status(common, status))
    }

    fn cancellation(&self, minutes: i64, rng: &mut ChaCha8Rng) -> Event {
        let common = self.common(self.careq_id, self.context.time_at(minutes));
        self.event(Kind::Cancel, common, bodies::cancellation(common, rng))
    }

    /// Changes after the booking.
    fn changes(&self, rng: &mut ChaCha8Rng) -> Vec<Event> {
        let mut changes = Vec::new();
        if rng.random_bool(0.7) {
            changes.push(self.status(5, "confirmed"));
        }
        if rng.random_bool(0.15) {
            let mut moved = self.appointment(10, rng);
            moved.body.insert("status".to_owned(), "rescheduled".into());
            changes.push(moved);
        }
        match rng.random_range(0..10) {
            0..=4 => {
                changes.push(self.status(20, "in_progress"));
                changes.push(self.status(50, "completed"));
            }
            5..=6 => changes.push(self.cancellation(30, rng)),
            7 => changes.push(self.status(60, one(rng, &["no-show", "completed"]))),
            _ => {}
        }
        changes
    }
}
