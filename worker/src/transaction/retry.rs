//! Another attempt after a failure, see `retry_policy.rs`. Attempts are counted in the database, not in a process that the event may
//! crash.

use careq_shared::entities::parked_event;
use careq_shared::event::Event;
use careq_shared::outcome::{EventResult, Outcome};

use super::working_set::WorkingSet;
use super::{dead_letter, park};
use crate::dead_letters::row::Try;
use crate::fault::{EventFault, FaultClass};
use crate::retry_policy::{self, MAX_ATTEMPTS};

/// Parks an event for attempts of its own.
pub(crate) fn set_apart(set: &mut WorkingSet, event: &Event) -> EventResult {
    let row = park::row(set, event);
    // Counted as an attempt: only an event that was never tried shares a transaction with others.
    later(set, parked_event::Model { due_at: set.now, attempts: row.attempts.max(1), ..row })
}

/// Parks an event that failed alone for another attempt, or records it as a dead letter.
pub(crate) fn after_failure(set: &mut WorkingSet, event: &Event, fault: &EventFault) -> EventResult {
    let mut row = park::row(set, event);
    // A parked row's attempt was counted before it began.
    row.attempts = row.attempts.max(1);
    if fault.class == FaultClass::Unusable {
        // A failure of the server itself never uses up the last attempt.
        row.attempts = row.attempts.min(MAX_ATTEMPTS);
    }
    match retry_policy::delay_after(row.attempts) {
        Some(delay) if is_retryable(fault.class) => {
            row.due_at = set.now + delay;
            row.tries = Some(Try::appended(&row, Try::failed(set.now, &set.settings.name, &fault.message)));
            row.last_message = Some(fault.message.clone());
            later(set, row)
        }
        _ => dead_letter::failed(set, event, fault, row.attempts),
    }
}

const fn is_retryable(class: FaultClass) -> bool {
    match class {
        FaultClass::Transient | FaultClass::Busy | FaultClass::Unusable => true,
        FaultClass::Permanent | FaultClass::Collision | FaultClass::NoResult => false,
    }
}

fn later(set: &mut WorkingSet, row: parked_event::Model) -> EventResult {
    park::put(set, parked_event::Model { waiting_kind: None, waiting_careq_id: None, ..row });
    EventResult { outcome: Outcome::Retrying, appointment_status: None, replayed: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::testing::{empty_set, patient, stored_parked};

    fn fault(class: FaultClass) -> EventFault {
        EventFault { class, message: "it failed".to_owned() }
    }

    #[test]
    fn a_transient_failure_is_retried_until_the_last_attempt() {
        for attempts in 0..=6 {
            let (mut set, event) = (empty_set(), patient(1, 1));
            stored_parked(&mut set, &event, attempts);
            let result = after_failure(&mut set, &event, &fault(FaultClass::Transient));
            let row = &set.parked["patient-1-1"].row;
            if attempts <= 5 {
                assert_eq!(result.outcome, Outcome::Retrying, "{attempts}");
                assert!(row.due_at > set.now && row.last_message.as_deref() == Some("it failed"));
                assert_eq!(Try::stored_in(row).len(), 1);
            } else {
                assert!(matches!(result.outcome, Outcome::Failed(_)), "{attempts}");
                assert_eq!(set.dead_letters.len(), 1);
            }
        }
    }

    #[test]
    fn a_permanent_failure_is_a_dead_letter_at_once() {
        for class in [FaultClass::Permanent, FaultClass::Collision, FaultClass::NoResult] {
            let (mut set, event) = (empty_set(), patient(1, 1));
            let result = after_failure(&mut set, &event, &fault(class));
            assert!(matches!(result.outcome, Outcome::Failed(_)), "{class:?}");
            assert!(set.parked.is_empty() && set.dead_letters.len() == 1);
        }
    }

    #[test]
    fn a_failure_of_the_server_never_uses_up_the_last_attempt() {
        let (mut set, event) = (empty_set(), patient(1, 1));
        stored_parked(&mut set, &event, 50);
        let result = after_failure(&mut set, &event, &fault(FaultClass::Unusable));
        assert_eq!(result.outcome, Outcome::Retrying);
    }

    #[test]
    fn an_event_set_apart_is_due_at_once_and_counts_as_tried() {
        let (mut set, event) = (empty_set(), patient(1, 1));
        assert_eq!(set_apart(&mut set, &event).outcome, Outcome::Retrying);
        let row = &set.parked["patient-1-1"].row;
        assert_eq!((row.attempts, row.due_at), (1, set.now));
    }
}
