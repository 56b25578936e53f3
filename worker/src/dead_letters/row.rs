//! A letter as it is written: its row, and the tries that it stands for. Its payload must never be anywhere but sealed in its row.

use careq_shared::clock;
use careq_shared::dead_letters::{self, Class, DeadLetterState};
use careq_shared::entities::{dead_letter, dead_letter_attempt, parked_event};
use careq_shared::event::Event;
use careq_shared::outcome::{Failure, Parent};
use careq_shared::redact;
use careq_shared::seal::{AssociatedData, Seal};
use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::bounds::InBytes;
use crate::retry::Try;

/// A letter that is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) row: dead_letter::Model,
    /// As in its row; every letter has one before it is written.
    pub(super) class: Option<Class>,
    /// When the delivery that failed was accepted: tells one from a copy of it. Bytes that are no message have no such stamp.
    accepted_at: Option<DateTime<Utc>>,
    /// The tries that had failed before the last one.
    earlier: Vec<Try>,
    /// The payload as a log may show it, if it can be read.
    shape: Option<String>,
}

impl InBytes for Letter {
    fn bytes(&self) -> usize {
        self.row.payload.len()
    }
}

impl Letter {
    /// Of an event.
    pub(crate) fn of_event(event: &Event, worker: &str) -> Self {
        let mut letter = Self::new(dead_letters::letter_id(event.event_id.as_str()), worker);
        letter.row.event_id = Some(event.event_id.as_str().to_owned());
        letter.row.clinic_id = Some(event.clinic_id.clone());
        letter.row.kind = Some(event.kind().as_str().to_owned());
        letter.row.careq_id = Some(event.careq_id);
        letter.row.first_seen_at = event.accepted_at;
        letter.row.accepted_at = event.may_come_again().then_some(event.accepted_at);
        letter.accepted_at = Some(event.accepted_at);
        letter.shape = Some(redact::record(&event.record));
        letter
    }

    /// Of a parked event that cannot be read.
    pub(crate) fn of_parked(row: &parked_event::Model, worker: &str) -> Self {
        let mut letter = Self::new(dead_letters::letter_id(&row.event_id), worker);
        letter.row.event_id = Some(row.event_id.clone());
        letter.row.clinic_id = Some(row.clinic_id.clone());
        letter.row.kind = Some(row.kind.clone());
        letter.row.careq_id = Some(row.careq_id);
        letter.row.first_seen_at = row.parked_at;
        letter.accepted_at = Some(row.parked_at);
        letter
    }

    /// Of bytes that are no message; a copy of them is the same letter.
    pub(crate) fn of_bytes(bytes: &[u8], worker: &str) -> Self {
        Self::new(dead_letters::id_of(bytes), worker)
    }

    fn new(id: Uuid, worker: &str) -> Self {
        let now = clock::now();
        let row = dead_letter::Model {
            id,
            event_id: None,
            clinic_id: None,
            kind: None,
            careq_id: None,
            class: String::new(),
            code: String::new(),
            message: String::new(),
            attempts: 1,
            first_seen_at: now,
            last_seen_at: now,
            worker: worker.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            payload: Vec::new(),
            state: DeadLetterState::Open,
            fingerprint: String::new(),
            settled_at: None,
            reason: None,
            original_id: None,
            job_id: None,
            audit_id: None,
            accepted_at: None,
            waiting_kind: None,
            waiting_careq_id: None,
        };
        Self { row, class: None, accepted_at: None, earlier: Vec::new(), shape: None }
    }

    pub(crate) fn because(mut self, class: Class, failure: &Failure) -> Self {
        let code = failure.code.as_str();
        self.class = Some(class);
        class.as_str().clone_into(&mut self.row.class);
        code.clone_into(&mut self.row.code);
        self.row.message.clone_from(&failure.message);
        self.row.fingerprint =
            dead_letters::fingerprint(class, code, self.row.kind.as_deref(), &failure.message);
        self
    }

    pub(crate) fn tried(mut self, attempts: i32, earlier: Vec<Try>) -> Self {
        self.row.attempts = attempts;
        self.earlier = earlier;
        self
    }

    /// For want of this parent: it is tried again when that comes.
    pub(crate) fn waits_for(mut self, parent: Option<&Parent>) -> Self {
        self.row.waiting_kind = parent.map(|parent| parent.kind.as_str().to_owned());
        self.row.waiting_careq_id = parent.map(|parent| parent.careq_id);
        self
    }

    /// With its payload, which only the keys open.
    pub(crate) fn sealed(mut self, seal: &Seal, payload: &[u8]) -> Self {
        self.row.payload =
            seal.seal(AssociatedData::dead_letter(&self.row.id.to_string()), payload).into_bytes();
        self
    }

    pub(super) fn log(&self) {
        let Self { row, shape, .. } = self;
        tracing::warn!(
            letter = %row.id,
            event_id = row.event_id,
            clinic_id = row.clinic_id,
            kind = row.kind,
            careq_id = row.careq_id,
            class = row.class,
            reason = row.message,
            payload = shape,
            "a dead letter needs a person"
        );
    }

    /// A row for each time that it has failed since it was last heard of, the last one last. Each has its id from the delivery, so
    /// that a copy of the delivery is the same failure; a letter that was under way again has failed anew.
    pub(super) fn attempts(&self, before: Option<&Before>) -> Vec<dead_letter_attempt::Model> {
        let delivery = self.delivery(before);
        let attempt = |which: &str, one: &Try| dead_letter_attempt::Model {
            id: Uuid::new_v5(&self.row.id, format!("{delivery} {which}").as_bytes()),
            letter_id: self.row.id,
            at: one.at,
            worker: one.worker.clone(),
            version: one.version.clone(),
            message: one.message.clone(),
        };
        let last = Try {
            at: self.row.last_seen_at,
            worker: self.row.worker.clone(),
            version: self.row.version.clone(),
            message: self.row.message.clone(),
        };
        let earlier = self.earlier.iter().map(|one| attempt(&one.at.timestamp_micros().to_string(), one));
        earlier.chain([attempt("last", &last)]).collect()
    }

    fn delivery(&self, before: Option<&Before>) -> String {
        let accepted_at = self.accepted_at.map(|at| at.timestamp_micros());
        let job_id = before.filter(|before| before.state == DeadLetterState::Replaying);
        let job_id = job_id.and_then(|before| before.job_id);
        // Bytes that a job has put back into the queue, and that came out unreadable again.
        let resolved =
            before.filter(|before| before.state == DeadLetterState::Resolved && accepted_at.is_none());
        let resolved_at = resolved.and_then(|before| before.settled_at).map(|at| at.timestamp_micros());
        // An event that was under way for the sake of its parent is the same delivery, and may fail again.
        let under_way =
            before.filter(|before| before.state == DeadLetterState::Replaying && before.job_id.is_none());
        let attempts = under_way.map(|before| before.attempts);
        format!("{accepted_at:?} {job_id:?} {resolved_at:?} {attempts:?}")
    }
}

/// How a letter stood that has failed again.
#[derive(Debug, Clone, FromQueryResult)]
pub(super) struct Before {
    pub(super) id: Uuid,
    pub(super) state: DeadLetterState,
    pub(super) job_id: Option<Uuid>,
    pub(super) settled_at: Option<DateTime<Utc>>,
    pub(super) attempts: i32,
}
