//! Publishes dead letters with confirms. The queue of one clinic may be unavailable while those of others work, so each message counts by
//! itself. An event may be published twice: the duplicate has no effect. The deadline is shorter than a lease.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use careq_shared::broker::{PublishError, Queue};
use careq_shared::dead_letters::letter_id;
use careq_shared::entities::replay_job;
use careq_shared::event::Event;
use careq_shared::message::{self, Content, Message, Replay, Undecodable};
use futures_util::future::join_all;
use tokio::time::timeout;
use uuid::Uuid;

use super::open::{Opened, WholeMessage};
use crate::context::Context;

/// Deadline of the confirms of one step.
const DEADLINE: Duration = Duration::from_secs(10);

/// Dead letters of one step after publishing.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Dead letters whose events the broker has confirmed.
    pub(super) events: Vec<Uuid>,
    /// Dead letters whose whole messages the broker has confirmed.
    pub(super) messages: Vec<Uuid>,
    pub(super) unconfirmed: Unconfirmed,
}

/// Dead letters that may or may not be in a queue.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    /// Their number.
    pub(super) letters: usize,
    pub(super) clinics: BTreeSet<String>,
    /// Those of whole messages.
    pub(super) messages: BTreeSet<Uuid>,
}

/// A message for the bulk queue.
struct Outgoing {
    clinic_id: String,
    body: Result<Bytes, Undecodable>,
    /// The dead letters in it.
    letters: Vec<Uuid>,
    /// Whether it is the whole message of one dead letter.
    is_whole: bool,
}

/// Publishes each message once.
pub(super) async fn each(context: &Context, job: &replay_job::Model, opened: Opened) -> Published {
    let answers = outgoing(job, opened).into_iter().map(|message| async move {
        let answer = publish(context, &message).await;
        (message, answer)
    });
    let (mut published, mut first_failure) = (Published::default(), None);
    for (message, answer) in join_all(answers).await {
        match answer {
            Ok(()) if message.is_whole => published.messages.extend(message.letters),
            Ok(()) => published.events.extend(message.letters),
            Err(reason) => {
                first_failure.get_or_insert_with(|| (message.clinic_id.clone(), reason));
                published.unconfirmed.add(message);
            }
        }
    }
    if let Some((clinic_id, reason)) = first_failure {
        log(job, &published.unconfirmed, &clinic_id, &reason);
    }
    published
}

/// Publishes a message; the error is the reason, for the log.
async fn publish(context: &Context, message: &Outgoing) -> Result<(), String> {
    let body = message.body.as_ref().map_err(ToString::to_string)?.clone();
    let confirm = context.broker.publish(Queue::Bulk, &message.clinic_id, body);
    let confirmed = timeout(DEADLINE, confirm).await.unwrap_or(Err(PublishError::TimedOut));
    confirmed.map_err(|reason| reason.to_string())
}

/// Whole messages unchanged, and for each clinic one message with its events.
fn outgoing(job: &replay_job::Model, opened: Opened) -> Vec<Outgoing> {
    let whole = |message: WholeMessage| Outgoing {
        clinic_id: message.clinic_id,
        body: Ok(message.body),
        letters: vec![message.letter],
        is_whole: true,
    };
    let of_clinic = |(clinic_id, events): (String, Vec<Event>)| {
        let letters = events.iter().map(|event| letter_id(event.event_id.as_str())).collect();
        let content = Content::Replay(Replay { job_id: job.id, events });
        let body = message::encode(&Message { reply_to: None, content }).map(Bytes::from);
        Outgoing { clinic_id, body, letters, is_whole: false }
    };
    let mut by_clinic: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in opened.events {
        by_clinic.entry(event.clinic_id.clone()).or_default().push(event);
    }
    opened.messages.into_iter().map(whole).chain(by_clinic.into_iter().map(of_clinic)).collect()
}

impl Unconfirmed {
    fn add(&mut self, message: Outgoing) {
        self.letters += message.letters.len();
        self.clinics.insert(message.clinic_id);
        if message.is_whole {
            self.messages.extend(message.letters);
        }
    }
}

/// One line for a step. The clinic and the reason are those of the first unconfirmed message.
fn log(job: &replay_job::Model, unconfirmed: &Unconfirmed, clinic_id: &str, reason: &str) {
    tracing::warn!(
        job = %job.id,
        queue = Queue::Bulk.as_str(),
        clinic_id,
        reason,
        count = unconfirmed.clinics.len(),
        letters = unconfirmed.letters,
        "letters cannot be published; those of other clinics are published meanwhile, and these are tried again"
    );
}
