//! The pages of every event, record and batch of a history, compared with the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use careq_console::audit::{Actor, Origin};
use careq_console::clinics;
use careq_ingress::{Ingress, Parts};
use careq_shared::broker::embedded::Embedded;
use careq_shared::config;
use careq_shared::dead_letters::DeadLetterState;
use careq_shared::ids::{self, EventId};
use careq_shared::records::{Kind, RecordKind};
use futures_util::{StreamExt as _, stream};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::history::History;
use super::model::{Event, State, Truth, noted, records};
use super::stored::{Tables, instant};
use crate::harness::{CLINIC, Client, FreshDatabase, OTHER_CLINIC, OTHER_TOKEN, SEAL_KEYS, TOKEN, seal};

/// An ingress without a queue that only serves pages.
pub(super) struct Pages {
    clients: BTreeMap<String, Client>,
    _shutdown: DropGuard,
    _folder: TempDir,
}

impl Pages {
    pub(super) async fn serve(database: &FreshDatabase) -> Self {
        let clinics = format!("{CLINIC}={TOKEN},{OTHER_CLINIC}={OTHER_TOKEN}");
        let settings = [
            ("CAREQ_DATABASE_URL", database.url.as_str()),
            ("CAREQ_SEAL_KEYS", SEAL_KEYS),
            ("CAREQ_CLINICS", &clinics),
            ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
            ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
        ];
        let config =
            config::load(None, settings.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
        let keys = || Ok(seal());
        let actor = Actor::process_user(Origin::Settings);
        clinics::seed(&database.connection, &keys, &actor, &config.clinics).await.unwrap();
        for clinic in [CLINIC, OTHER_CLINIC] {
            let sealed = super::event_key().sealed(&seal(), clinic).into_bytes();
            let backend = database.connection.get_database_backend();
            let update = "UPDATE clinics SET event_key = $1 WHERE clinic_id = $2";
            let update = Statement::from_sql_and_values(backend, update, [sealed.into(), clinic.into()]);
            database.connection.execute(update).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts {
            settings: config.ingress.clone(),
            publish_timeout: Duration::from_secs(5),
            broker: Arc::new(Embedded::open(folder.path()).await.unwrap()),
            database: database.connection.clone(),
            seal: Arc::new(seal()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shutdown = CancellationToken::new();
        let ingress = Ingress::start(parts, &shutdown);
        ingress.clinics_are_known().await;
        tokio::spawn(careq_ingress::run(listener, ingress, shutdown.clone()));
        let clients = [(CLINIC, TOKEN), (OTHER_CLINIC, OTHER_TOKEN)]
            .map(|(clinic, token)| (clinic.to_owned(), Client::new(&address, token)));
        Self { clients: clients.into(), _shutdown: shutdown.drop_guard(), _folder: folder }
    }

    /// Differences between the pages and the model.
    pub(super) async fn differences(
        &self,
        history: &History,
        tables: &Tables,
        truth: &Truth<'_>,
    ) -> Vec<String> {
        let mut expected = event_pages(history, truth);
        expected.extend(record_pages(history, tables, truth));
        expected.extend(batch_pages(history, tables, truth));
        let differing = stream::iter(expected)
            .map(|page| async move {
                let answer = self.clients[&page.clinic].get(&page.path).await;
                let shown =
                    if answer.status == 200 { shown(&answer.body["data"]) } else { json!(answer.status) };
                (!page.may_be.contains(&shown)).then(|| format!("{page:?}: {shown} in {}", answer.body))
            })
            .buffer_unordered(4);
        differing.filter_map(|difference| async move { difference }).collect().await
    }
}

/// The compared fields of a page.
fn shown(data: &Value) -> Value {
    let mut shown = json!({});
    for field in ["sync_status", "status", "updated_at", "status_updated_at", "confirmation_number"] {
        if let Some(value) = data.get(field) {
            let moment = value.as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
            shown[field] = moment.map_or_else(|| value.clone(), |at| json!(instant(at.to_utc())));
        }
    }
    if let Some(word) =
        data["sync_status"].as_str().filter(|word| ["synced", "updated", "unchanged"].contains(word))
        && data.get("synced_at").is_none()
    {
        // Which record has failed depends on the order.
        assert!(!word.is_empty());
        shown = json!({ "sync_status": "settled" });
    }
    if let Some(code) = data["error"].get("code").filter(|_| data["sync_status"] == "failed") {
        shown["code"] = code.clone();
        shown.as_object_mut().unwrap().remove("status");
    }
    if let Some(results) = data["results"].as_array() {
        let settled =
            |word: &Value| ["created", "updated", "unchanged"].iter().any(|settled| word == settled);
        let word = |result: &Value| {
            if settled(&result["status"]) { json!("settled") } else { result["status"].clone() }
        };
        shown["results"] = results.iter().map(word).collect();
        shown["counts"] =
            ["total", "successful", "failed", "pending"].iter().map(|count| data[*count].clone()).collect();
    }
    shown
}

/// A page with its permitted contents.
#[derive(Debug)]
struct Page {
    clinic: String,
    path: String,
    may_be: Vec<Value>,
}

fn word(state: &State) -> Value {
    match state {
        State::Settled => json!({ "sync_status": "settled" }),
        State::Waiting => json!({ "sync_status": "waiting" }),
        State::Failed(code) => json!({ "sync_status": "failed", "code": code }),
    }
}

const REFUSED: State = State::Failed("DUPLICATE_RECORD");

fn event_pages(history: &History, truth: &Truth<'_>) -> Vec<Page> {
    let mut pages = Vec::new();
    let known: BTreeMap<_, _> =
        truth.events.iter().map(|event| (event.accepted.id.as_str(), event)).collect();
    let all = known.keys().chain(truth.refused.keys()).chain(truth.losers.keys());
    for id in all.copied().collect::<BTreeSet<_>>() {
        let refused = truth.refused.get(id);
        let (accepted, mut may_be) = match (known.get(id), refused) {
            // An event that may be sent again shows its latest delivery; all deliveries of another event are one.
            (Some(event), Some((_, refused_at)))
                if event.accepted.may_come_again && *refused_at > event.accepted_at =>
            {
                (event.accepted, vec![word(&REFUSED)])
            }
            (Some(event), _) => (event.accepted, vec![word(&event.state)]),
            (None, Some((accepted, _))) => (*accepted, vec![word(&REFUSED)]),
            (None, None) => (truth.losers[id], vec![word(&REFUSED)]),
        };
        // A dead letter states the event's last failure, which may belong to an earlier delivery.
        if let (Some(Event { state: state @ State::Failed(_), .. }), Some(_)) = (known.get(id), refused) {
            may_be.push(word(state));
        }
        pages.push(Page { clinic: accepted.clinic.clone(), path: format!("/events/{id}"), may_be });
    }
    for accepted in history.webhooks.iter().filter(|accepted| accepted.may_come_again) {
        let id: EventId = accepted.id.parse().unwrap();
        let receipt = ids::event_receipt(&super::event_key(), &id, accepted.accepted_at);
        let state = &known[accepted.id.as_str()].state;
        let mut may_be = vec![word(state)];
        if matches!(state, State::Failed(_)) && truth.refused.contains_key(accepted.id.as_str()) {
            may_be.push(word(&REFUSED));
        }
        pages.push(Page {
            clinic: accepted.clinic.clone(),
            path: format!("/events/{id}?receipt={receipt}"),
            may_be,
        });
    }
    pages
}

fn record_pages(history: &History, tables: &Tables, truth: &Truth<'_>) -> Vec<Page> {
    let of_batches = history.batches.iter().flat_map(records).map(|(_, accepted)| accepted);
    let accepted: BTreeSet<_> = history
        .webhooks
        .iter()
        .chain(of_batches)
        .map(|accepted| (accepted.clinic.clone(), accepted.kind.record(), accepted.careq_id))
        .collect();
    let page = |key: &(String, RecordKind, i64)| {
        let (clinic, kind, careq_id) = key;
        let is_of_record = |clinic_id: &str, kind_of: &str, number: i64| {
            clinic_id == clinic && kind_of == kind.as_str() && number == *careq_id
        };
        let waits = truth.events.iter().any(|event| {
            event.state == State::Waiting
                && is_of_record(&event.accepted.clinic, event.accepted.kind.as_str(), event.accepted.careq_id)
        });
        let has_failed = tables.letters.values().any(|letter| {
            letter.state == DeadLetterState::Open
                && is_of_record(
                    letter.clinic_id.as_deref().unwrap(),
                    letter.kind.as_deref().unwrap(),
                    letter.careq_id.unwrap(),
                )
        });
        let may_be = match truth.rows.get(key) {
            Some(row) if *kind == RecordKind::Appointment => json!({
                "sync_status": "synced", "updated_at": row["updated_at"], "status": row["status"],
                "status_updated_at": row["status_updated_at"], "confirmation_number": row["confirmation_number"],
            }),
            Some(row) => json!({ "sync_status": "synced", "updated_at": row["updated_at"] }),
            None if waits => json!({ "sync_status": "waiting" }),
            None if has_failed => json!({ "sync_status": "failed" }),
            None => json!(404),
        };
        Page { clinic: clinic.clone(), path: format!("/status/{kind}/{careq_id}"), may_be: vec![may_be] }
    };
    accepted.iter().map(page).collect()
}

fn batch_pages(history: &History, tables: &Tables, truth: &Truth<'_>) -> Vec<Page> {
    let known: BTreeMap<_, _> =
        truth.events.iter().map(|event| (event.accepted.id.as_str(), event)).collect();
    let mut pages = Vec::new();
    for batch in &history.batches {
        let receipt = ids::batch_receipt(&super::event_key(), &batch.id, &batch.content);
        let mut paths = vec![format!("/batch/{}?receipt={receipt}", batch.id)];
        let expected = if noted(history, batch, tables).is_some() {
            paths.push(format!("/batch/{}", batch.id));
            let results: Vec<_> = batch
                .records
                .iter()
                .map(|record| match record.as_ref().map(|accepted| &known[accepted.id.as_str()].state) {
                    None | Some(State::Failed(_)) => "failed",
                    Some(State::Settled) => "settled",
                    Some(State::Waiting) => "pending",
                })
                .collect();
            let count = |word: &str| results.iter().filter(|result| **result == word).count();
            let counts = [results.len(), count("settled"), count("failed"), count("pending")];
            json!({ "results": results, "counts": counts })
        } else {
            word(&REFUSED)
        };
        pages.extend(paths.into_iter().map(|path| Page {
            clinic: batch.clinic.clone(),
            path,
            may_be: vec![expected.clone()],
        }));
    }
    pages
}

/// A status or a cancellation shows the appointment's status on its page, which depends on the order.
pub(super) fn has_letters_where_it_failed(tables: &Tables, truth: &Truth<'_>) {
    for event in &truth.events {
        let letter = tables.letters.get(&event.accepted.id);
        match &event.state {
            State::Failed(_) => assert_eq!(letter.unwrap().state, DeadLetterState::Open, "{event:?}"),
            State::Waiting | State::Settled => {
                let is_refused = truth.refused.contains_key(event.accepted.id.as_str());
                let is_open = letter.is_some_and(|letter| letter.state == DeadLetterState::Open);
                assert!(!is_open || is_refused, "{event:?} {letter:?}");
            }
        }
        assert_eq!(
            event.state == State::Waiting,
            tables.parked.contains_key(&event.accepted.id),
            "exactly the waiting events are parked: {event:?}"
        );
        assert!(event.accepted.kind != Kind::Patient || event.state != State::Waiting);
    }
    let lost = truth.losers.keys().chain(truth.refused.keys());
    for id in lost.filter(|id| !truth.events.iter().any(|event| event.accepted.id == **id)) {
        assert_eq!(tables.letters[*id].state, DeadLetterState::Open, "{id}");
    }
    for (id, (_, refused_at)) in &truth.refused {
        let event = truth.events.iter().find(|event| event.accepted.id == *id);
        if event.is_some_and(|event| event.accepted.may_come_again && event.accepted_at < *refused_at) {
            assert_eq!(
                tables.letters[*id].state,
                DeadLetterState::Open,
                "an earlier delivery has settled it: {id}"
            );
        }
    }
}
