//! One connection's worth of CareQ: takes requests, delivers them, and notes what was acknowledged.

use std::sync::Arc;
use std::time::Instant;

use super::Receipt;
use super::caller::Answer;
use super::deliver::Courier;
use super::late::Late;
use super::pace::Pace;
use super::script::{Address, Cue, Script};
use crate::findings::Findings;
use crate::run::Run;
use crate::tally::Tally;
use crate::world::Request;

/// See the module.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) run: Run,
    pub(super) notes: Notes,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) tally: Tally,
    pub(super) receipts: Vec<Receipt>,
    pub(super) undelivered: Vec<Address>,
    pub(super) refused: u64,
    pub(super) findings: Findings,
}

impl Player {
    /// Plays until there is nothing left to send.
    pub(super) async fn play(mut self, script: Arc<Script>, late: Arc<Late>, pace: Arc<Pace>) -> Notes {
        while let Some(scene) = script.next(&self.run.plan, &self.run.world) {
            for cue in scene {
                cue.later().for_each(|address| late.keep(address));
                self.send_with_what_follows(cue, &pace).await;
                while let Some(address) = late.due() {
                    self.send_with_what_follows(Cue::of(&self.run.world, address), &pace).await;
                }
            }
        }
        self.notes
    }

    async fn send_with_what_follows(&mut self, first: Cue, pace: &Pace) {
        let mut next = Some(first);
        while let Some(cue) = next {
            let due_at = pace.next().await;
            let undelivered = self.notes.undelivered.len();
            self.send(&cue, due_at).await;
            // What follows a request that was not taken comes after it when it is sent again.
            next = cue.next().filter(|_| self.notes.undelivered.len() == undelivered);
        }
    }

    async fn send(&mut self, Cue { address, story }: &Cue, due_at: Instant) {
        let address = *address;
        let Some(request) = story.requests.get(address.request) else { return };
        let Some(clinic) = self.run.clinic_of(address.story) else { return };
        let is_ordered = story.requests.iter().any(|request| request.follows);
        let target = is_ordered.then_some(address.story);
        let courier = Courier { caller: &self.run.caller, clinic, retry: self.run.plan.retry, target };
        let tally = &mut self.notes.tally;
        let first_event = story.first_event_of(address.request);
        if request.is_repeated && !address.is_copy {
            let mut other = tally.empty();
            let (original, copy) = tokio::join!(
                courier.deliver(request, due_at, tally),
                courier.deliver(request, due_at, &mut other)
            );
            self.notes.tally.add(&other);
            self.notes.delivery(address, request, first_event, original);
            self.notes.delivery(address, request, first_event, copy);
        } else {
            let delivery = courier.deliver(request, due_at, tally).await;
            self.notes.delivery(address, request, first_event, delivery);
        }
    }
}

impl Notes {
    pub(super) fn new(tally: Tally) -> Self {
        Self {
            tally,
            receipts: Vec::new(),
            undelivered: Vec::new(),
            refused: 0,
            findings: Findings::default(),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.tally.add(&other.tally);
        self.receipts.extend(other.receipts);
        self.undelivered.extend(other.undelivered);
        self.refused += other.refused;
        self.findings.add(other.findings);
    }

    fn delivery(&mut self, address: Address, request: &Request, first_event: u16, answer: Option<Answer>) {
        match (answer, request.refusal) {
            (None, _) => self.undelivered.push(Address { is_copy: true, ..address }),
            (Some(answer), Some(refusal)) => self.refusal(address, request, refusal.status, &answer),
            (Some(answer), None) => self.acknowledgement(address, request, first_event, &answer),
        }
    }

    fn refusal(&mut self, address: Address, request: &Request, status: u16, answer: &Answer) {
        if answer.status == status {
            self.refused += 1;
        } else {
            let (story, path, given) = (address.story, request.path, answer.status);
            self.findings.wrong(&format!("story {story}, {path}: answered {given} instead of {status}"));
        }
    }

    /// Every event of a request must be in its answer.
    fn acknowledgement(&mut self, address: Address, request: &Request, first_event: u16, answer: &Answer) {
        let story = address.story;
        let before = self.receipts.len();
        let named = (first_event..).zip(answer.body.event_ids());
        self.receipts.extend(
            named.filter_map(|(event, event_id)| Some(Receipt { story, event, event_id: event_id?.into() })),
        );
        let (acknowledged, sent) = (self.receipts.len() - before, request.events.len());
        if acknowledged != sent {
            let (path, status) = (request.path, answer.status);
            self.findings.wrong(&format!(
                "story {story}, {path}: {acknowledged} of {sent} events acknowledged by {status}"
            ));
        }
    }
}
