//! Check of every acknowledged event by its status page: it must have exactly one final result, and the expected one.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::checked::Checked;
use super::status_page;
use crate::client::response::ResponseData;
use crate::findings::Findings;
use crate::run::Run;
use crate::send::Sent;
use crate::send::receipt::Receipt;
use crate::world::scenario::ExpectedOutcome;

/// Checks scenario by scenario, as many at a time as there are connections.
pub(super) async fn check(run: &Run, sent: &Sent, deadline: Instant, checked: &mut Checked) {
    let scenarios = sent.receipts.chunk_by(|one, next| one.scenario == next.scenario);
    let mut results = stream::iter(scenarios)
        .map(|receipts| check_scenario(run, receipts, deadline))
        .buffer_unordered(run.plan.connections);
    while let Some(findings) = results.next().await {
        checked.findings.add(findings);
    }
    checked.events = sent.receipts.len() as u64;
}

async fn check_scenario(run: &Run, receipts: &[Receipt], deadline: Instant) -> Findings {
    let mut findings = Findings::default();
    let Some(number) = receipts.first().map(|receipt| receipt.scenario) else { return findings };
    let scenario = run.world.scenario(number);
    let authenticator = run.authenticator_of(number);
    let mut conflicting = BTreeMap::new();
    for receipt in receipts {
        let Some(event) = scenario.event(receipt.event) else {
            findings.wrong(&format!("scenario {number}, event {}: it was not sent", receipt.event));
            continue;
        };
        let expected = event.expected;
        let path = format!("/events/{}", receipt.event_id);
        let is_final = |page: Option<&ResponseData>| is_settled(expected, &state(page));
        let page = status_page::read_until(run, authenticator, &path, deadline, is_final).await;
        run.live.checked.fetch_add(1, Ordering::Relaxed);
        let Ok(page) = page else {
            findings.unread(&format!("scenario {number}, event {}", receipt.event));
            continue;
        };
        let state = state(page.as_ref());
        let sentence = format!("scenario {number}, event {}: {state}", receipt.event);
        match (expected, state.as_str()) {
            (ExpectedOutcome::Applied, "synced" | "updated" | "unchanged")
            | (ExpectedOutcome::Orphaned, "waiting" | "failed RECORD_NOT_FOUND") => {}
            (
                ExpectedOutcome::Conflicting,
                "synced" | "updated" | "unchanged" | "failed DUPLICATE_RECORD",
            ) => {
                conflicting.insert(receipt.event, state);
            }
            (_, "queued" | "waiting" | "no page") => findings.lost(&sentence),
            _ => findings.wrong(&sentence),
        }
    }
    let refused = conflicting.values().filter(|state| *state == "failed DUPLICATE_RECORD").count();
    if conflicting.len() == 2 && refused != 1 {
        findings.wrong(&format!("scenario {number}: {refused} of two conflicting events were refused"));
    }
    findings
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
        assert_eq!(state(Some(&failed)), "failed DUPLICATE_RECORD");
    }
}
