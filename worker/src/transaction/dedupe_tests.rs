//! Each rule of deduplication, and each edge.

use careq_shared::outcome::{ErrorCode, Failure};
use uuid::Uuid;

use super::*;
use crate::transaction::testing::{delivered, empty_set, patient, second, stored_parked};

fn result(outcome: Outcome) -> EventResult {
    EventResult { outcome, appointment_status: None, replayed: false }
}

fn failed() -> Outcome {
    Outcome::Failed(Failure { code: ErrorCode::ServerError, message: "it failed".to_owned() })
}

/// The same event, named by CareQ.
fn named(event: &Event) -> Event {
    Event { idempotency_key: careq_shared::event::IdempotencyKey::Sent("key".to_owned()), ..event.clone() }
}

fn due_at(finding: &Finding) -> Option<DateTime<Utc>> {
    if let Finding::Due(event) = finding { Some(event.accepted_at) } else { None }
}

#[test]
fn a_new_event_is_due() {
    let (set, event) = (empty_set(), patient(1, 1));
    assert_eq!(due_at(&find(&set, &delivered(&event)).unwrap()), Some(second(1)));
}

#[test]
fn a_duplicate_gets_the_first_result() {
    let (mut set, event) = (empty_set(), named(&patient(1, 1)));
    note_result(&mut set, &event, result(Outcome::Created));
    let later = Event { accepted_at: second(9), ..event };
    let Finding::Duplicate(known) = find(&set, &delivered(&later)).unwrap() else { panic!("not found") };
    assert_eq!((known.outcome, known.replayed), (Outcome::Created, true));
}

#[test]
fn a_key_with_other_content_is_refused() {
    let (mut set, event) = (empty_set(), named(&patient(1, 1)));
    note_result(&mut set, &event, result(Outcome::Created));
    let other = Event { content_digest: "other".to_owned(), ..event };
    assert!(matches!(find(&set, &delivered(&other)).unwrap(), Finding::KeyReused));
}

#[test]
fn an_event_without_key_and_stamp_may_come_again() {
    let (mut set, event) = (empty_set(), patient(1, 5));
    note_result(&mut set, &event, result(Outcome::Created));
    assert!(matches!(find(&set, &delivered(&event)).unwrap(), Finding::Duplicate(_)), "the same delivery");
    let earlier = Event { accepted_at: second(4), ..event.clone() };
    assert!(matches!(find(&set, &delivered(&earlier)).unwrap(), Finding::Duplicate(_)));
    let later = Event { accepted_at: second(6), ..event };
    assert_eq!(due_at(&find(&set, &delivered(&later)).unwrap()), Some(second(6)));
}

#[test]
fn a_later_delivery_that_is_parked_counts() {
    let (mut set, event) = (empty_set(), patient(1, 1));
    let later = Event { accepted_at: second(8), ..event.clone() };
    stored_parked(&mut set, &later, 1);
    assert_eq!(due_at(&find(&set, &delivered(&event)).unwrap()), Some(second(8)));
}

#[test]
fn a_waiting_event_is_due_with_its_first_acceptance() {
    let (mut set, event) = (empty_set(), named(&patient(1, 1)));
    note_result(&mut set, &event, result(Outcome::Retrying));
    let later = Event { accepted_at: second(9), ..event };
    assert_eq!(due_at(&find(&set, &delivered(&later)).unwrap()), Some(second(1)));
}

#[test]
fn a_failed_event_is_due_when_careq_sends_it_again() {
    let (mut set, event) = (empty_set(), named(&patient(1, 1)));
    note_result(&mut set, &event, result(failed()));
    assert!(matches!(find(&set, &delivered(&event)).unwrap(), Finding::Duplicate(_)), "a redelivery");
    let later = Event { accepted_at: second(9), ..event };
    assert_eq!(due_at(&find(&set, &delivered(&later)).unwrap()), Some(second(9)));
}

#[test]
fn a_replayed_event_is_due_only_while_its_job_replays_it() {
    let (mut set, event) = (empty_set(), named(&patient(1, 5)));
    note_result(&mut set, &event, result(failed()));
    let older = Event { accepted_at: second(2), ..event };
    let replayed = Item { replay: Some(Uuid::nil()), ..delivered(&older) };
    assert!(matches!(find(&set, &replayed).unwrap(), Finding::Spent));
    set.replaying.insert(older.event_id.as_str().to_owned());
    assert_eq!(due_at(&find(&set, &replayed).unwrap()), Some(second(5)), "the latest delivery counts");
}

#[test]
fn a_repeated_event_that_changes_nothing_gets_the_first_result() {
    let (mut set, event) = (empty_set(), patient(1, 1));
    note_result(&mut set, &event, result(Outcome::Created));
    let later = Event { accepted_at: second(2), ..event };
    let reported = note_result(&mut set, &later, result(Outcome::Unchanged));
    assert_eq!((reported.outcome, reported.replayed), (Outcome::Created, true));
    assert_eq!(set.ledger[&key(&later)].row.accepted_at, second(2));
}

#[test]
fn a_duplicate_is_noted_once_a_day() {
    let (mut set, event) = (empty_set(), patient(1, 1));
    note_result(&mut set, &event, result(Outcome::Created));
    note_duplicate(&mut set, &event);
    assert_eq!(set.ledger[&key(&event)].row.repeated_at, None);
    set.now += TimeDelta::days(2);
    note_duplicate(&mut set, &event);
    assert_eq!(set.ledger[&key(&event)].row.repeated_at, Some(set.now));
}
