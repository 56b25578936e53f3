//! Scenario of a booking: a patient, an appointment, and its changes of status. A patient may book again with newer details.

use careq_shared::records::Kind;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use serde_json::Value;

use super::bodies::{self, Parents};
use super::context::ScenarioContext;
use super::names::one;
use super::poison;
use super::scenario::{Event, ExpectedOutcome, Request, Scenario};
use super::staff::{DOCTORS, SERVICES};

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
    let rng = &mut rng;
    match kind(context, rng) {
        BookingKind::Poison => poison::scenario(context, rng),
        BookingKind::Unstamped => unstamped(context, rng),
        kind => booking(context, kind, rng),
    }
}

fn booking(context: &ScenarioContext<'_>, kind: BookingKind, rng: &mut ChaCha8Rng) -> Scenario {
    let is_known = matches!(kind, BookingKind::Ordinary | BookingKind::Batch) && rng.random_bool(0.2);
    let patient = if is_known { known_patient(context, rng) } else { context.number };
    let expected =
        if kind == BookingKind::Orphan { ExpectedOutcome::Orphaned } else { ExpectedOutcome::Applied };
    let booking = Booking {
        context,
        patient: context.careq_id(patient),
        careq_id: context.careq_id(context.number),
        expected,
    };
    let patient = booking.event(Kind::Patient, 0, bodies::patient(rng));
    let appointment = booking.appointment(0, rng);
    let changes = booking.changes(rng);

    let mut requests = match kind {
        BookingKind::Batch => {
            let batch_id = format!("batch_{}", booking.careq_id);
            vec![Request::batch(context.clinic_id, batch_id, vec![patient, appointment])]
        }
        BookingKind::LateParent => {
            vec![Request::webhook(appointment), Request { is_delayed: true, ..Request::webhook(patient) }]
        }
        BookingKind::Orphan => vec![Request::webhook(appointment)],
        _ => vec![Request::webhook(patient), Request::webhook(appointment)],
    };
    requests.extend(changes.into_iter().map(Request::webhook));
    for request in &mut requests {
        request.is_repeated = percent(rng, context.disorder.repeat_percent);
        if request.batch_id.is_none() && rng.random_bool(0.1) {
            request.idempotency_key = Some(format!("key-{}-{:016x}", booking.careq_id, rng.random::<u64>()));
        }
    }
    Scenario { requests }
}

/// A patient whose versions have no `updated_at`: the version sent last is the newest. Each version is sent after the one before
/// it was acknowledged, because only that order makes it the newer one.
fn unstamped(context: &ScenarioContext<'_>, rng: &mut ChaCha8Rng) -> Scenario {
    let further_versions = context.rng().random_range(1..=4_u8);
    let version = |number| {
        let careq_id = context.careq_id(context.number);
        let event = bodies::event(context, Kind::Patient, careq_id, None, bodies::patient(rng));
        Request { follows: number > 0, ..Request::webhook(event) }
    };
    Scenario { requests: (0..=further_versions).map(version).collect() }
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
    let is_sent = matches!(kind(&earlier, &mut earlier.rng()), BookingKind::Ordinary | BookingKind::Batch);
    if is_sent { number } else { context.number }
}

struct Booking<'context, 'world> {
    context: &'context ScenarioContext<'world>,
    patient: i64,
    careq_id: i64,
    expected: ExpectedOutcome,
}

impl Booking<'_, '_> {
    /// An event of some minutes after the booking.
    fn event(&self, kind: Kind, minutes: i64, fields: Value) -> Event {
        let careq_id = if kind == Kind::Patient { self.patient } else { self.careq_id };
        let stamp = Some(self.context.time_at(minutes));
        Event { expected: self.expected, ..bodies::event(self.context, kind, careq_id, stamp, fields) }
    }

    fn appointment(&self, minutes: i64, rng: &mut ChaCha8Rng) -> Event {
        let parents = Parents {
            patient: self.patient,
            doctor: self.context.careq_id(rng.random_range(0..DOCTORS)),
            service: self.context.careq_id(rng.random_range(0..SERVICES)),
        };
        let fields = bodies::appointment(self.context.time_at(0), parents, rng);
        self.event(Kind::Appointment, minutes, fields)
    }

    /// Changes after the booking.
    fn changes(&self, rng: &mut ChaCha8Rng) -> Vec<Event> {
        let status = |minutes, status| self.event(Kind::Status, minutes, bodies::status(status));
        let mut changes = Vec::new();
        if rng.random_bool(0.7) {
            changes.push(status(5, "confirmed"));
        }
        if rng.random_bool(0.15) {
            let mut moved = self.appointment(10, rng);
            moved.body["status"] = "rescheduled".into();
            changes.push(moved);
        }
        match rng.random_range(0..10) {
            0..=4 => changes.extend([status(20, "in_progress"), status(50, "completed")]),
            5..=6 => changes.push(self.event(Kind::Cancel, 30, bodies::cancellation(rng))),
            7 => changes.push(status(60, one(rng, &["no-show", "completed"]))),
            _ => {}
        }
        changes
    }
}
