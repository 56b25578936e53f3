//! Every acknowledged event by its status page: it must have exactly one final result, and a right one.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Checked, page};
use crate::findings::Findings;
use crate::run::Run;
use crate::send::{Data, Played, Receipt};
use crate::world::Fate;

/// Reads the pages, as many at a time as there are connections, and judges them story by story.
pub(super) async fn all(run: &Run, played: &Played, deadline: Instant, checked: &mut Checked) {
    let stories = played.receipts.chunk_by(|one, next| one.story == next.story);
    let mut judged = stream::iter(stories)
        .map(|receipts| story(run, receipts, deadline))
        .buffer_unordered(run.plan.connections);
    while let Some(findings) = judged.next().await {
        checked.findings.add(findings);
    }
    checked.events = played.receipts.len() as u64;
}

async fn story(run: &Run, receipts: &[Receipt], deadline: Instant) -> Findings {
    let mut findings = Findings::default();
    let Some(number) = receipts.first().map(|receipt| receipt.story) else { return findings };
    let story = run.world.story(number);
    let Some(clinic) = run.clinic_of(number) else { return findings };
    let mut twins = Vec::new();
    for receipt in receipts {
        let fate = story.event(receipt.event).map_or(Fate::Applied, |event| event.fate);
        let path = format!("/events/{}", receipt.event_id);
        let page = page(run, clinic, &path, deadline, |page| is_settled(fate, page)).await;
        run.live.checked.fetch_add(1, Ordering::Relaxed);
        let Ok(page) = page else {
            findings.unread(&format!("story {number}, event {}", receipt.event));
            continue;
        };
        let state = state(page.as_ref());
        let place = || format!("story {number}, event {}: {state}", receipt.event);
        match (fate, state.as_str()) {
            (Fate::Applied, "synced" | "updated" | "unchanged")
            | (Fate::Orphaned, "waiting" | "failed RECORD_NOT_FOUND") => {}
            (Fate::Twin, "synced" | "updated" | "unchanged" | "failed DUPLICATE_RECORD") => {
                twins.push((receipt.event, state));
            }
            (_, "queued" | "waiting" | "no page") => findings.lost(&place()),
            _ => findings.wrong(&place()),
        }
    }
    let outcomes: BTreeMap<_, _> = twins.iter().map(|(event, state)| (event, state.as_str())).collect();
    let refused = outcomes.values().filter(|state| **state == "failed DUPLICATE_RECORD").count();
    if outcomes.len() == 2 && refused != 1 {
        findings.wrong(&format!("story {number}: {refused} of two that want the same were refused"));
    }
    findings
}

/// Whether nothing is expected to change any more.
fn is_settled(fate: Fate, page: Option<&Data>) -> bool {
    match state(page).as_str() {
        "queued" | "no page" => false,
        "waiting" => fate == Fate::Orphaned,
        _ => true,
    }
}

fn state(page: Option<&Data>) -> String {
    let Some(data) = page else { return "no page".to_owned() };
    let word = data.sync_status.clone().or_else(|| data.status.clone()).unwrap_or_default();
    match &data.error {
        Some(error) if word == "failed" => format!("{word} {}", error.code),
        _ => word,
    }
}
