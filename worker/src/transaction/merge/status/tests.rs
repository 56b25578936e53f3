//! The status of an appointment, compared with a direct implementation of the rule, in every order and with duplicates.

use careq_shared::event::IdempotencyKey;
use careq_shared::ids::EventId;
use careq_shared::records::{Appointment, StatusChange};
use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::super::appointment::new_row;
use super::*;

/// An hour after the beginning of a day.
fn hour(hour: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hour)
}

fn event(name: &str, accepted: i64, record: Record) -> Event {
    Event {
        event_id: name.parse::<EventId>().unwrap(),
        clinic_id: "clinic".to_owned(),
        careq_id: 1,
        idempotency_key: IdempotencyKey::Derived(name.to_owned()),
        content_digest: name.to_owned(),
        accepted_at: hour(accepted),
        record,
    }
}

fn details(name: &str, accepted: i64, stamp: Option<i64>, status: &str) -> Event {
    let appointment = Appointment {
        patient_careq_id: 1,
        doctor_careq_id: 1,
        service_careq_id: 1,
        book_datetime: hour(0),
        start_datetime: hour(1),
        end_datetime: hour(2),
        status: status.to_owned(),
        location: None,
        notes: None,
        prescription: None,
        referred_by: None,
        referred_by_address: None,
        color: None,
        hash: None,
        created_at: None,
        updated_at: stamp.map(hour),
    };
    event(name, accepted, Record::Appointment(appointment))
}

fn status(name: &str, accepted: i64, stamp: Option<i64>, status: &str) -> Event {
    let change = StatusChange {
        status: status.to_owned(),
        notes: Some(format!("notes of {name}")),
        updated_at: stamp.map(hour),
    };
    event(name, accepted, Record::Status(change))
}

fn cancel(name: &str, accepted: i64, stamp: Option<i64>) -> Event {
    let cancellation = Cancellation {
        cancellation_reason: Some(format!("reason of {name}")),
        cancelled_by: Some(format!("author of {name}")),
        cancelled_at: stamp.map(hour),
    };
    event(name, accepted, Record::Cancel(cancellation))
}

/// Status, whose event it is, notes, and the cancellation's columns.
type Shown = (String, String, Option<String>, Option<String>, Option<String>, Option<DateTime<Utc>>);

fn shown(row: &appointment::Model) -> Shown {
    (
        row.status.clone(),
        row.status_event_id.clone(),
        row.status_notes.clone(),
        row.cancellation_reason.clone(),
        row.cancelled_by.clone(),
        row.cancelled_at,
    )
}

/// Applies the events in this order; what comes before the appointment waits for it.
fn applied(order: &[&Event]) -> Shown {
    let mut row: Option<appointment::Model> = None;
    let mut waiting = Vec::new();
    for event in order {
        match (&mut row, &event.record) {
            (None, Record::Appointment(details)) => {
                let mut new = new_row(event, details, hour(0));
                for earlier in waiting.drain(..) {
                    merge(&mut new, earlier).unwrap();
                }
                row = Some(new);
            }
            (None, _) => waiting.push(*event),
            (Some(row), _) => {
                merge(row, event).unwrap();
            }
        }
    }
    shown(&row.unwrap())
}

/// The rule, read over the whole set.
fn expected(events: &[Event]) -> Shown {
    let is_unstamped_cancel =
        |event: &&Event| matches!(event.record, Record::Cancel(_)) && event.record.stamp().is_none();
    let word = |event: &Event| carried(&event.record).unwrap().0.to_owned();
    let is_newer = |one: &Event, other: &Event| {
        one.version() > other.version() || (is_unstamped_cancel(&one) && one.accepted_at > other.accepted_at)
    };
    let others = || events.iter().filter(|event| !is_unstamped_cancel(event));
    let newest = others().max_by_key(|event| event.version()).unwrap();
    let unstamped = events.iter().filter(is_unstamped_cancel).max_by_key(|event| event.version());
    let winner = unstamped.filter(|unstamped| is_newer(unstamped, newest)).unwrap_or(newest);
    let notes = carried(&winner.record).unwrap().1.cloned();
    let none = (word(winner), winner.event_id.to_string(), notes.clone(), None, None, None);
    let stamped = others()
        .filter(|event| matches!(event.record, Record::Cancel(_)))
        .max_by_key(|event| event.version());
    let other = others().filter(|event| word(event) != "cancelled").max_by_key(|event| event.version());
    let newest_cancel = match (unstamped, stamped) {
        (Some(unstamped), Some(stamped)) => {
            Some(if is_newer(unstamped, stamped) { unstamped } else { stamped })
        }
        (one, other) => one.or(other),
    };
    let still = newest_cancel.filter(|cancel| other.is_none_or(|other| is_newer(cancel, other)));
    match still.map(|cancel| &cancel.record) {
        Some(Record::Cancel(cancel)) if word(winner) == "cancelled" => (
            word(winner),
            winner.event_id.to_string(),
            notes,
            cancel.cancellation_reason.clone(),
            cancel.cancelled_by.clone(),
            cancel.cancelled_at,
        ),
        _ => none,
    }
}

fn in_every_order(events: &[Event], mut judge: impl FnMut(&[&Event])) {
    fn permute<'a>(order: &mut Vec<&'a Event>, rest: &[&'a Event], judge: &mut dyn FnMut(&[&'a Event])) {
        if rest.is_empty() {
            judge(order);
        }
        for (place, next) in rest.iter().enumerate() {
            let others = [&rest[..place], &rest[place + 1..]].concat();
            order.push(next);
            permute(order, &others, judge);
            order.pop();
        }
    }
    let all: Vec<_> = events.iter().collect();
    permute(&mut Vec::new(), &all, &mut judge);
}

#[test]
fn any_set_of_events_gives_one_status_in_every_order() {
    let mut chance = StdRng::seed_from_u64(7);
    for _ in 0..60 {
        let mut events =
            vec![details("a", chance.random_range(0..9), Some(chance.random_range(0..9)), "booked")];
        for name in ["b", "c", "d", "e"] {
            let (accepted, stamp) = (chance.random_range(0..9), chance.random_range(0..14));
            let stamp = chance.random_bool(0.6).then_some(stamp);
            let word = ["booked", "confirmed", "cancelled", "cancelled"].choose(&mut chance).unwrap();
            events.push(match chance.random_range(0..3) {
                0 => details(name, accepted, stamp, word),
                1 => status(name, accepted, stamp, word),
                _ => cancel(name, accepted, stamp),
            });
        }
        let expected = expected(&events);
        in_every_order(&events, |order| {
            assert_eq!(applied(order), expected, "{order:#?}");
            let with_copies: Vec<_> = order.iter().chain(order).copied().collect();
            assert_eq!(applied(&with_copies), expected, "with copies: {order:#?}");
        });
    }
}

/// What a set of events comes to, in every order: status, reason, author and time.
fn come_to(events: &[Event]) -> (String, Option<String>, Option<DateTime<Utc>>) {
    let mut all = std::collections::BTreeSet::new();
    in_every_order(events, |order| {
        let (status, _, _, reason, _, at) = applied(order);
        all.insert((status, reason, at));
    });
    assert_eq!(all.len(), 1, "{all:?}");
    all.pop_first().unwrap()
}

#[test]
fn a_cancellation_without_a_stamp_is_newer_than_what_was_accepted_before_it() {
    let ahead = details("ahead", 1, Some(6), "booked");
    let reason = Some("reason of cancel".to_owned());
    let cancelled = ("cancelled".to_owned(), reason, None);
    assert_eq!(come_to(&[ahead.clone(), cancel("cancel", 2, None)]), cancelled);
    let confirmed = status("confirmed", 1, Some(7), "confirmed");
    assert_eq!(come_to(&[ahead.clone(), confirmed, cancel("cancel", 2, None)]), cancelled);
    // Accepted later and with a greater stamp, a new booking counts.
    let again = details("again", 3, Some(8), "booked");
    assert_eq!(come_to(&[ahead, cancel("cancel", 2, None), again]), ("booked".to_owned(), None, None));
    // A late change that is older by its stamp does not.
    let late = details("late", 3, Some(1), "booked");
    assert_eq!(
        come_to(&[late, cancel("cancel", 2, None), details("first", 0, Some(0), "booked")]),
        cancelled
    );
}

#[test]
fn a_change_of_details_of_a_cancelled_appointment_keeps_the_cancellation() {
    let booked = || details("booked", 0, Some(0), "booked");
    let moved = details("moved", 5, Some(5), "cancelled");
    let kept = ("cancelled".to_owned(), Some("reason of cancel".to_owned()), Some(hour(2)));
    assert_eq!(come_to(&[booked(), cancel("cancel", 2, Some(2)), moved.clone()]), kept);
    let unstamped = ("cancelled".to_owned(), Some("reason of cancel".to_owned()), None);
    assert_eq!(come_to(&[booked(), cancel("cancel", 2, None), moved.clone()]), unstamped);
    // By a status event, too; and by the newest cancellation.
    let again = status("again", 5, Some(5), "cancelled");
    assert_eq!(come_to(&[booked(), cancel("old", 1, Some(1)), cancel("cancel", 2, Some(2)), again]), kept);
    // Booked again meanwhile, it was another cancellation, of which nobody has told the reason.
    let rebooked = status("rebooked", 3, Some(3), "booked");
    let another = ("cancelled".to_owned(), None, None);
    assert_eq!(come_to(&[booked(), cancel("cancel", 2, Some(2)), rebooked, moved]), another);
}

#[test]
fn a_row_that_cannot_be_read_is_an_error() {
    let booked = details("booked", 0, Some(0), "booked");
    let Record::Appointment(record) = &booked.record else { panic!() };
    let mut row = new_row(&booked, record, hour(0));
    row.status_versions = Some("nonsense".to_owned());
    assert!(merge(&mut row, &cancel("cancel", 2, None)).is_err());
}
