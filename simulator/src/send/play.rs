//! Plays every story, with as many players as connections. What was not taken is sent again at the end, when the trouble
//! may be over, so that no event stays in doubt.

use std::sync::Arc;
use std::time::Instant;

use super::Receipt;
use super::late::Late;
use super::pace::Pace;
use super::player::{Notes, Player};
use super::script::Script;
use crate::findings::Findings;
use crate::run::Run;
use crate::tally::Tally;

/// What was sent, and what came back of it.
#[derive(Debug)]
pub(crate) struct Played {
    /// Sorted, each once.
    pub(crate) receipts: Vec<Receipt>,
    /// Requests that nobody ever took.
    pub(crate) undelivered: u64,
    /// Requests that were refused as they had to be.
    pub(crate) refused: u64,
    pub(crate) findings: Findings,
    pub(crate) tally: Tally,
}

/// Plays all stories, then what came too late, then what was not taken.
pub(crate) async fn everything(run: &Run) -> Played {
    let mut notes = Notes::new(Tally::new(Arc::clone(&run.live), Instant::now()));
    let late = Arc::new(Late::new(run.plan.disorder.late_after));
    play(run, Script::stories(), &late, run.plan.rate_per_second, &mut notes).await;
    play(run, Script::rest(late.rest()), &late, run.plan.rate_per_second, &mut notes).await;
    let gives_up_at = Instant::now() + run.plan.settle_within;
    while !notes.undelivered.is_empty() && Instant::now() < gives_up_at {
        let rest = std::mem::take(&mut notes.undelivered);
        play(run, Script::rest(rest), &late, None, &mut notes).await;
    }
    played(notes)
}

async fn play(run: &Run, script: Script, late: &Arc<Late>, rate_per_second: Option<u32>, notes: &mut Notes) {
    let (script, pace) = (Arc::new(script), Arc::new(Pace::new(rate_per_second)));
    let player = || Player { run: run.clone(), notes: Notes::new(notes.tally.empty()) };
    let players: Vec<_> = (0..run.plan.connections)
        .map(|_| tokio::spawn(player().play(Arc::clone(&script), Arc::clone(late), Arc::clone(&pace))))
        .collect();
    for player in players {
        match player.await {
            Ok(other) => notes.add(other),
            Err(_) => notes.findings.unread("a player ended by a fault in the simulator"),
        }
    }
}

/// Receipts of copies must name the same event.
fn played(mut notes: Notes) -> Played {
    notes.receipts.sort_unstable();
    notes.receipts.dedup();
    for pair in notes.receipts.windows(2) {
        if let [one, other] = pair
            && (one.story, one.event) == (other.story, other.event)
        {
            notes.findings.doubled(&format!("story {}, event {}: copies have two ids", one.story, one.event));
        }
    }
    Played {
        receipts: notes.receipts,
        undelivered: notes.undelivered.len() as u64,
        refused: notes.refused,
        findings: notes.findings,
        tally: notes.tally,
    }
}
