//! Check of every acknowledged event by its status page: it must have exactly one final result, and the expected one.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};

use crate::client::ResponseData;
use crate::report::Finding;
use crate::run::Run;
use crate::send::Receipt;
use crate::world::scenario::ExpectedOutcome;

/// State of an event that conflicts with another one and was refused.
const REFUSED: &str = "failed DUPLICATE_RECORD";

/// Checks scenario by scenario, as many at a time as there are connections.
pub(super) async fn check(run: &Run, receipts: &[Receipt], deadline: Instant) {
    let scenarios = receipts.chunk_by(|one, next| one.scenario == next.scenario);
    let check = |receipts| check_scenario(run, receipts, deadline);
    stream::iter(scenarios).for_each_concurrent(run.plan.connections, check).await;
}

async fn check_scenario(run: &Run, receipts: &[Receipt], deadline: Instant) {
    let Some(number) = receipts.first().map(|receipt| receipt.scenario) else { return };
    let scenario = run.world.scenario(number);
    let authenticator = run.authenticator_of(number);
    let (mut conflicting, mut refused) = (0, 0);
    for receipt in receipts {
        run.report().checked_events += 1;
        let name = format!("scenario {number}, event {}", receipt.event);
        let Some(event) = scenario.event(receipt.event) else {
            run.find(Finding::Wrong, &format!("{name}: it was not sent"));
            continue;
        };
        let path = format!("/events/{}", receipt.event_id);
        let is_final = |page: Option<&ResponseData>| is_settled(event.expected, &state(page));
        let page = run.client.status_page(authenticator, &path, deadline, is_final).await;
        let Ok(page) = page else {
            run.find(Finding::Unread, &name);
            continue;
        };
        let state = state(page.as_ref());
        match (event.expected, state.as_str()) {
            (ExpectedOutcome::Applied, "synced" | "updated" | "unchanged")
            | (ExpectedOutcome::Orphaned, "waiting" | "failed RECORD_NOT_FOUND") => {}
            (ExpectedOutcome::Conflicting, "synced" | "updated" | "unchanged" | REFUSED) => {
                conflicting += 1;
                refused += usize::from(state == REFUSED);
            }
            (_, "queued" | "waiting" | "no page") => run.find(Finding::Lost, &format!("{name}: {state}")),
            _ => run.find(Finding::Wrong, &format!("{name}: {state}")),
        }
    }
    if conflicting == 2 && refused != 1 {
        let sentence = format!("scenario {number}: {refused} of two conflicting events were refused");
        run.find(Finding::Wrong, &sentence);
    }
}

/// Whether the state is not expected to change.
fn is_settled(expected: ExpectedOutcome, state: &str) -> bool {
    match state {
        "queued" | "no page" => false,
        "waiting" => expected == ExpectedOutcome::Orphaned,
        _ => true,
    }
}

/// The event's state, with the error code of a failed event.
fn state(page: Option<&ResponseData>) -> String {
    let Some(data) = page else { return "no page".to_owned() };
    let Some(state) = data.sync_status.as_ref().or(data.status.as_ref()) else {
        return "no state".to_owned();
    };
    match &data.error {
        Some(error) if state == "failed" => format!("{state} {}", error.code),
        _ => state.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_event_is_settled_only_if_its_parent_never_arrives() {
        assert!(is_settled(ExpectedOutcome::Orphaned, "waiting"));
        assert!(!is_settled(ExpectedOutcome::Applied, "waiting"));
        assert!(!is_settled(ExpectedOutcome::Applied, "queued"));
        assert!(is_settled(ExpectedOutcome::Applied, "synced"));
    }

    #[test]
    fn the_state_of_a_failed_event_has_its_code() {
        let page = |json| serde_json::from_str::<ResponseData>(json).unwrap();
        assert_eq!(state(None), "no page");
        assert_eq!(state(Some(&page("{}"))), "no state");
        assert_eq!(state(Some(&page(r#"{"sync_status": "synced"}"#))), "synced");
        let failed = page(r#"{"sync_status": "failed", "error": {"code": "DUPLICATE_RECORD"}}"#);
        assert_eq!(state(Some(&failed)), REFUSED);
    }
}
