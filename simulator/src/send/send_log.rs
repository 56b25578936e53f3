//! Log of one sender: which requests were acknowledged, refused or never accepted.

use super::receipt::Receipt;
use super::schedule::RequestId;
use crate::client::response::Response;
use crate::findings::Findings;
use crate::tally::Tally;
use crate::world::scenario::Request;

/// See the module.
#[derive(Debug)]
pub(super) struct SendLog {
    pub(super) tally: Tally,
    pub(super) receipts: Vec<Receipt>,
    pub(super) undelivered: Vec<RequestId>,
    pub(super) refused: u64,
    pub(super) findings: Findings,
}

impl SendLog {
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

    /// Records the final response to a request; `None` means that all attempts failed.
    pub(super) fn record(
        &mut self,
        id: RequestId,
        request: &Request,
        first_event: u16,
        response: Option<Response>,
    ) {
        match (response, request.refusal) {
            (None, _) => self.undelivered.push(RequestId { is_copy: true, ..id }),
            (Some(response), Some(refusal)) => self.refusal(id, request, refusal.status, &response),
            (Some(response), None) => self.acknowledgement(id, request, first_event, &response),
        }
    }

    fn refusal(&mut self, id: RequestId, request: &Request, expected: u16, response: &Response) {
        let status = response.status;
        if status == expected {
            self.refused += 1;
        } else {
            let (scenario, path) = (id.scenario, request.path);
            let sentence = format!("scenario {scenario}, {path}: answered {status} instead of {expected}");
            self.findings.wrong(&sentence);
        }
    }

    /// The response must name every event of its request.
    fn acknowledgement(&mut self, id: RequestId, request: &Request, first_event: u16, response: &Response) {
        let scenario = id.scenario;
        let before = self.receipts.len();
        let named = (first_event..).zip(response.body.event_ids());
        self.receipts.extend(
            named.filter_map(|(event, event_id)| {
                Some(Receipt { scenario, event, event_id: event_id?.into() })
            }),
        );
        let (acknowledged, sent) = (self.receipts.len() - before, request.events.len());
        if acknowledged != sent {
            let (path, status) = (request.path, response.status);
            self.findings.wrong(&format!(
                "scenario {scenario}, {path}: {acknowledged} of {sent} events acknowledged by {status}"
            ));
        }
    }
}
