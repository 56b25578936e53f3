//! A dead letter to be written: its row and the attempts it stands for. The payload is stored encrypted only.

use careq_shared::clock;
use careq_shared::dead_letters::{self, Class, DeadLetterState};
use careq_shared::entities::{dead_letter, dead_letter_attempt, parked_event};
use careq_shared::event::Event;
use careq_shared::outcome::{Failure, Parent};
use careq_shared::redact;
use careq_shared::seal::{AssociatedData, Seal};
use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::bounds::InBytes;
use crate::observe;

/// A dead letter to be written.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) row: dead_letter::Model,
    /// As in the row; set before it is written.
    pub(super) class: Option<Class>,
    /// Acceptance of the failed delivery: distinguishes it from a duplicate. `None` for bytes that are no message.
    accepted_at: Option<DateTime<Utc>>,
    /// Failed attempts before the last one.
    earlier: Vec<Try>,
    /// The redacted payload for the log, if it can be read.
    shape: Option<String>,
}

impl InBytes for DeadLetter {
    fn bytes(&self) -> usize {
        self.row.payload.len()
    }
}

impl DeadLetter {
    /// The dead letter of an event.
    pub(crate) fn from_event(event: &Event, worker: &str) -> Self {
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

    /// The dead letter of a parked event that cannot be read.
    pub(crate) fn from_parked(row: &parked_event::Model, worker: &str) -> Self {
        let mut letter = Self::new(dead_letters::letter_id(&row.event_id), worker);
        letter.row.event_id = Some(row.event_id.clone());
        letter.row.clinic_id = Some(row.clinic_id.clone());
        letter.row.kind = Some(row.kind.clone());
        letter.row.careq_id = Some(row.careq_id);
        letter.row.first_seen_at = row.parked_at;
        letter.accepted_at = Some(row.parked_at);
        letter
    }

    /// The dead letter of bytes that are no message; the same bytes give the same dead letter.
    pub(crate) fn from_bytes(bytes: &[u8], worker: &str) -> Self {
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

    /// Sets class, code and message.
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

    /// Sets the number of attempts.
    pub(crate) fn tried(mut self, attempts: i32) -> Self {
        self.row.attempts = attempts;
        self
    }

    /// Sets the attempts before the last one.
    pub(crate) fn after(mut self, earlier: Vec<Try>) -> Self {
        self.earlier = earlier;
        self
    }

    /// Sets the missing parent: the event is tried again when it arrives.
    pub(crate) fn waits_for(mut self, parent: Option<&Parent>) -> Self {
        self.row.waiting_kind = parent.map(|parent| parent.kind.as_str().to_owned());
        self.row.waiting_careq_id = parent.map(|parent| parent.careq_id);
        self
    }

    /// Sets the payload, encrypted.
    pub(crate) fn sealed(mut self, seal: &Seal, payload: &[u8]) -> Self {
        self.row.payload =
            seal.seal(AssociatedData::dead_letter(&self.row.id.to_string()), payload).into_bytes();
        self
    }

    /// Counts and logs a dead letter, after the commit.
    fn log(&self) {
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

    /// A row for each failed attempt since the last record, the last one last. The id derives from the delivery, so a duplicate of the
    /// delivery is the same failure, while a replay that fails is a new one.
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
        // Bytes that a job has put back into the queue and that were undecodable again.
        let resolved =
            before.filter(|before| before.state == DeadLetterState::Resolved && accepted_at.is_none());
        let resolved_at = resolved.and_then(|before| before.settled_at).map(|at| at.timestamp_micros());
        // An event that waits for a late parent is the same delivery and may fail again.
        let under_way =
            before.filter(|before| before.state == DeadLetterState::Replaying && before.job_id.is_none());
        let attempts = under_way.map(|before| before.attempts);
        format!("{accepted_at:?} {job_id:?} {resolved_at:?} {attempts:?}")
    }
}

/// Dead letters that a transaction changes because their events have a result.
#[derive(Debug, Default)]
pub(crate) struct LetterUpdates {
    /// Event ids: stored.
    pub(crate) resolved: Vec<String>,
    /// Event ids: failed before, and now wait for a parent or another attempt.
    pub(crate) under_way: Vec<String>,
}

impl LetterUpdates {
    pub(crate) fn is_empty(&self) -> bool {
        self.resolved.is_empty() && self.under_way.is_empty()
    }
}

/// Counts and logs dead letters that are committed: once, however often the transaction was retried.
pub(crate) fn recorded(letters: &[&DeadLetter]) {
    for letter in letters {
        letter.log();
        letter.class.into_iter().for_each(observe::recorded);
    }
}

/// A failed attempt, as a parked row stores it. An attempt that crashed its worker is counted, but not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Try {
    pub(crate) at: DateTime<Utc>,
    pub(crate) worker: String,
    pub(crate) version: String,
    pub(crate) message: String,
}

impl Try {
    pub(crate) fn failed(at: DateTime<Utc>, worker: &str, message: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { at, worker: worker.to_owned(), version, message: message.to_owned() }
    }

    /// The attempts of a parked row, the first one first.
    pub(crate) fn stored_in(row: &parked_event::Model) -> Vec<Self> {
        row.tries.as_deref().and_then(|tries| serde_json::from_str(tries).ok()).unwrap_or_default()
    }

    /// The attempts of a parked row and one more, as JSON.
    #[expect(
        clippy::expect_used,
        reason = "a history that is lost in silence would mislead the person who decides"
    )]
    pub(crate) fn appended(row: &parked_event::Model, one: Self) -> String {
        let mut tries = Self::stored_in(row);
        tries.push(one);
        serde_json::to_string(&tries).expect("text and times can be written as JSON")
    }
}

/// State of a dead letter before it is recorded again.
#[derive(Debug, Clone, FromQueryResult)]
pub(super) struct Before {
    pub(super) id: Uuid,
    pub(super) state: DeadLetterState,
    pub(super) job_id: Option<Uuid>,
    pub(super) settled_at: Option<DateTime<Utc>>,
    pub(super) attempts: i32,
}
