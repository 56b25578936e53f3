//! Hostile bodies: an authenticated client may send any content, and it affects only that client.

mod generated;

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::json;

use generated::{generated_body, is_from_the_other_clinic};

use crate::harness::{self, Answer, CLINIC, Client, MIB, OTHER_CLINIC, OTHER_TOKEN, Stack, patient, until};
use crate::servers::RabbitMq;

/// A debug build on two busy cores needs longer to read concurrent bodies. Between two
/// requests of a connection, the client generates further bodies.
const LONG_TIMEOUTS: [(&str, &str); 3] = [
    ("CAREQ_INGRESS_BODY_TIMEOUT_S", "120"),
    ("CAREQ_INGRESS_REQUEST_TIMEOUT_S", "240"),
    ("CAREQ_INGRESS_HEADER_TIMEOUT_S", "240"),
];

/// Maximum memory of an ingress.
const MAX_MEMORY: u64 = 128_000_000;

const RESPOND_ASYNC: [(&str, &str); 1] = [("prefer", "respond-async")];

const BATCH_BYTES: usize = 8 << 20;
const WEBHOOK_BYTES: usize = 1 << 20;

/// `serde_json::Value` gives members with these names a special meaning: a number, or text to be parsed again,
/// nested deeper than the stack allows.
#[tokio::test]
async fn member_names_reserved_by_serde_json_have_no_effect() {
    for stack in [Stack::embedded(&[]).await, Stack::full(1, &[]).await] {
        let number = r#"{"$serde_json::private::Number": "77"}"#;
        for name in ["$serde_json::private::Number", "\\u0024serde_json::private::Number"] {
            let body = patient_with(&format!(
                r#""careq_id": {}"#,
                number.replace("$serde_json::private::Number", name)
            ));
            let answer = post(&stack.client, "/patient", body.into(), &[]).await;
            assert_eq!((answer.status, named(&answer)), (422, vec!["careq_id"]), "{name}");
        }
        for arrays in [120, 50] {
            for field in ["notes", "prescription", "unknown"] {
                let body = patient_with(&format!(r#""{field}": {}"#, texts_in_texts(arrays)));
                let answer = post(&stack.client, "/patient", body.clone().into(), &[]).await;
                let expected: &[u16] = if arrays > 64 { &[400] } else { &[200, 201, 422] };
                assert!(expected.contains(&answer.status), "{field}, {arrays}: {}", answer.body);
                let record = json!({ "type": "patient", "data": 0 }).to_string().replace('0', &body);
                let batch = format!(
                    r#"{{"clinic_id": "{CLINIC}", "batch_id": "{field} {arrays}", "records": [{record}]}}"#
                );
                let answer = post(&stack.client, "/batch", batch.into(), &[]).await;
                assert!([200, 400].contains(&answer.status), "{field}, {arrays}: {}", answer.body);
            }
        }
        // An idempotency key and a batch id may be any text; free-form JSON is stored unchanged.
        let name = "$serde_json::private::Number";
        let keyed = [("idempotency-key", name)];
        assert_eq!(stack.client.post_with("/patient", &patient(5), &keyed).await.status, 201);
        assert_eq!(
            stack.client.post_with("/patient", &patient(5), &keyed).await.headers["idempotent-replayed"],
            "true"
        );
        let batch = json!({ "clinic_id": CLINIC, "batch_id": name, "records": [{ "type": "patient", "data": patient(6) }] });
        assert_eq!(stack.client.post("/batch", &batch).await.status, 200);
        stack.finish().await;
    }
}

/// A patient's body with an additional member.
fn patient_with(member: &str) -> String {
    let patient = patient(4).to_string();
    format!("{},{member}}}", patient.trim_end_matches('}'))
}

/// A hundred nested texts, each with this number of arrays and an object. It uses escapes that do not double.
fn texts_in_texts(arrays: usize) -> String {
    (0..100).fold("1".to_owned(), |inner, _| {
        let inner = inner.replace('\\', "\\u005c").replace('"', "\\u0022");
        let object = format!(r#"{{"$serde_json::private::RawValue": "{inner}"}}"#);
        format!("{}{object}{}", "[".repeat(arrays), "]".repeat(arrays))
    })
}

#[tokio::test]
async fn a_lone_surrogate_refuses_only_its_record() {
    let stack = Stack::embedded(&[]).await;
    let answer = post(&stack.client, "/patient", patient_with(r#""notes": "\ud83d""#).into(), &[]).await;
    assert_eq!((answer.status, named(&answer)), (422, vec!["notes"]));
    let records = [
        patient(1).to_string(),
        patient_with(r#""notes": "a\ud83d""#),
        patient_with(r#""\ude00": 1"#),
        patient(2).to_string(),
    ];
    let records = records.map(|data| format!(r#"{{"type": "patient", "data": {data}}}"#)).join(",");
    let batch = format!(r#"{{"clinic_id": "{CLINIC}", "batch_id": "b", "records": [{records}]}}"#);
    let answer = post(&stack.client, "/batch", batch.into(), &[]).await;
    let results = answer.body["data"]["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!((answer.status, statuses), (200, vec!["created", "failed", "failed", "created"]));
    let details = &results[1]["error"]["details"];
    assert_eq!(details["notes"], json!(["Notes must be valid Unicode text"]));
    stack.finish().await;
}

/// The bodies that took 879 MB and 327 MB, singly and 64 at a time.
#[tokio::test]
async fn bodies_that_expand_when_parsed_are_refused() {
    let stack = Stack::full(0, &LONG_TIMEOUTS).await;
    let batch = batch_of(&"{\"\":0},".repeat(BATCH_BYTES / 7 - 20));
    let webhook = appointment_with(&"{\"\":0},".repeat(WEBHOOK_BYTES / 7 - 100));
    let one = post(&stack.client, "/batch", batch.clone(), &[]).await;
    assert_eq!((one.status, &one.body["message"]), (400, &json!("The body has more than 50000 values")));
    let send = async |number: usize| match number {
        ..50 => post(&stack.client, "/appointment", webhook.clone(), &[]).await,
        _ => post(&stack.client, "/batch", batch.clone(), &[]).await,
    };
    let answers = join_all((0..64).map(send)).await;
    assert!(answers.iter().all(|answer| [400, 503].contains(&answer.status)), "{:?}", statuses(&answers));
    let peak_bytes = stack.ingress_peak_bytes();
    assert!(peak_bytes <= MAX_MEMORY, "{} MiB", peak_bytes / MIB);
    stack.stop().await;
}

/// 64 concurrent generated bodies of the maximum size, from two clinics. Each is answered 202, 503 or as a client error, and
/// the total memory stays within the limit.
#[tokio::test]
async fn concurrent_hostile_bodies_stay_within_the_memory_limit() {
    let stack = Stack::full(0, &LONG_TIMEOUTS).await;
    let others = stack.client.with_token(OTHER_TOKEN);
    let mut runner = TestRunner::deterministic();
    for round in 0..2 {
        let bodies: Vec<(String, bool, Bytes)> =
            (0..64).map(|_| generated_body().new_tree(&mut runner).unwrap().current()).collect();
        let send = async |(name, is_batch, body): &(String, bool, Bytes)| {
            let path = if *is_batch { "/batch" } else { "/appointment" };
            let client = if is_from_the_other_clinic(name) { &others } else { &stack.client };
            let answer = post(client, path, body.clone(), &RESPOND_ASYNC).await;
            (name.clone(), answer.status)
        };
        let answers = join_all(bodies.iter().map(send)).await;
        let ours = answers.iter().find(|(_, status)| ![202, 400, 413, 422, 503].contains(status));
        assert_eq!(ours, None, "round {round}");
        let peak_bytes = stack.ingress_peak_bytes();
        assert!(peak_bytes <= MAX_MEMORY, "round {round}: {} MiB after {answers:?}", peak_bytes / MIB);
    }
    assert_eq!(stack.client.post("/patient", &patient(1)).await.status, 202, "webhooks are still accepted");
    stack.stop().await;
}

/// Valid batches of the maximum size of two clinics, and at the same time bodies that expand when parsed.
#[tokio::test]
async fn large_valid_batches_among_hostile_bodies_stay_within_the_memory_limit() {
    let stack = Stack::full(2, &LONG_TIMEOUTS).await;
    let others = stack.client.with_token(OTHER_TOKEN);
    let hostile = [
        batch_of(&"{\"\":0},".repeat(BATCH_BYTES / 7 - 20)),
        batch_of(&format!("\"{}\"", "\\u0041".repeat(BATCH_BYTES / 6 - 20))),
        batch_of(&"[".repeat(BATCH_BYTES - 1_000)),
    ];
    let flood = async |bodies: &[Bytes]| {
        for body in bodies.iter().cycle().take(6) {
            let answer = post(&stack.client, "/batch", body.clone(), &[]).await;
            assert!([200, 400, 503].contains(&answer.status), "{}", answer.body);
        }
    };
    let store = async |client: &Client, clinic: &str, first: usize| {
        for number in first..first + 3 {
            let batch = large_batch(clinic, number);
            let accepted = async || {
                let answer = post(client, "/batch", batch.clone(), &RESPOND_ASYNC).await;
                assert!([202, 503].contains(&answer.status), "{}", answer.body);
                (answer.status == 202).then_some(())
            };
            until("the batch is accepted", accepted).await;
        }
    };
    let stored = (0..4).map(|sender| match sender % 2 {
        0 => store(&stack.client, CLINIC, sender * 10),
        _ => store(&others, OTHER_CLINIC, sender * 10),
    });
    tokio::join!(join_all(stored), flood(&hostile), flood(&hostile));
    let peak_bytes = stack.ingress_peak_bytes();
    assert!(peak_bytes <= MAX_MEMORY, "{} MiB", peak_bytes / MIB);
    stack.stop().await;
}

/// A hundred patients with notes, 8 MB in all.
fn large_batch(clinic: &str, number: usize) -> Bytes {
    let record = |careq_id: usize| {
        let mut data = patient(i64::try_from(number * 100 + careq_id).unwrap());
        data["clinic_id"] = clinic.into();
        data["notes"] = "n".repeat(60_000).into();
        json!({ "type": "patient", "data": data })
    };
    let records: Vec<_> = (1..=130).map(record).collect();
    let batch = json!({ "clinic_id": clinic, "batch_id": format!("large {number}"), "records": records });
    batch.to_string().into()
}

/// One clinic constantly sends refused bodies of the maximum size over two connections: with too many values, and
/// with the maximum number of values.
#[tokio::test]
async fn another_clinics_batches_are_accepted_during_a_flood() {
    let stack = Stack::full(
        0,
        &[LONG_TIMEOUTS[0], LONG_TIMEOUTS[1], LONG_TIMEOUTS[2], ("CAREQ_BROKER_PUBLISH_TIMEOUT_MS", "1500")],
    )
    .await;
    let many = batch_of(&"{\"\":0},".repeat(BATCH_BYTES / 7 - 20));
    let long = format!("\"{}\",", "\\u0041".repeat(27));
    let long = batch_of(&long.repeat((BATCH_BYTES - 1_000) / long.len()));
    let client = stack.client.with_token(OTHER_TOKEN);
    let noisy = async |invalid: &Bytes| loop {
        let answer = post(&stack.client, "/batch", invalid.clone(), &[]).await;
        assert!([400, 422, 503].contains(&answer.status), "{}", answer.body);
    };
    let quiet = async {
        let mut taken = 0;
        for number in 0..15 {
            let record = |careq_id: i64| {
                let mut data = patient(careq_id);
                data["clinic_id"] = OTHER_CLINIC.into();
                json!({ "type": "patient", "data": data })
            };
            let records: Vec<_> = (1..=200).map(record).collect();
            let batch =
                json!({ "clinic_id": OTHER_CLINIC, "batch_id": format!("b{number}"), "records": records });
            let answer = post(&client, "/batch", batch.to_string().into(), &RESPOND_ASYNC).await;
            taken += usize::from(answer.status == 202);
        }
        taken
    };
    let taken = tokio::select! {
        taken = quiet => taken,
        _ = async { tokio::join!(noisy(&many), noisy(&long)) } => unreachable!(),
    };
    assert!(taken >= 14, "{taken} of 15");
    stack.stop().await;
}

/// A broker with a smaller message limit closes the channel: the batch is refused permanently, and other batches
/// are accepted. With the limit of RabbitMQ 4, no message made of a body is too large.
#[tokio::test]
async fn a_message_too_large_for_the_broker_is_refused_permanently_and_alone() {
    let rabbitmq = RabbitMq::start_with_settings("max_message_size = 1500000\n").await;
    let url = RabbitMq::url(&rabbitmq.address());
    let settings = [LONG_TIMEOUTS[0], LONG_TIMEOUTS[1], LONG_TIMEOUTS[2], ("CAREQ_BROKER_URL", url.as_str())];
    let mut stack = Stack::full(0, &settings).await;
    let client = stack.client.clone();
    let others = client.with_token(OTHER_TOKEN);
    let large = async || post(&client, "/batch", slashes(CLINIC, 2_000_000), &[]).await;
    let small = async || post(&others, "/batch", slashes(OTHER_CLINIC, 600_000), &RESPOND_ASYNC).await;
    let answer = large().await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (413, &json!("INVALID_REQUEST")));
    until("batches are accepted again", || async { (small().await.status == 202).then_some(()) }).await;
    // A batch that is known to be too large is not published again.
    let answers = tokio::join!(large(), small(), large(), small(), large(), small());
    assert_eq!([answers.0.status, answers.2.status, answers.4.status], [413; 3]);
    assert_eq!([answers.1.status, answers.3.status, answers.5.status], [202; 3]);

    // The limit is learned again after the connection was lost. RabbitMQ reads it when a channel opens.
    rabbitmq.control(&["eval", "application:set_env(rabbit, max_message_size, 16777216)."]).await;
    rabbitmq.control(&["close_all_connections", "the limit is raised"]).await;
    let larger = async || post(&client, "/batch", slashes(CLINIC, BATCH_BYTES), &RESPOND_ASYNC).await;
    let accepted = || async { Some(larger().await).filter(|answer| answer.status == 202) };
    let answer = until("a larger batch is accepted without a restart", accepted).await;
    stack.start_worker().await;
    let page = answer.body["data"]["status_url"].as_str().unwrap();
    let are_waiting =
        || async { (stack.client.get(page).await.body["data"]["pending"] == 1_000).then_some(()) };
    until("its records wait for their parents", are_waiting).await;
    stack.stop().await;
}

/// A batch of 1,000 appointments with this number of bytes of backslashes, each of which is escaped.
fn slashes(clinic: &str, bytes: usize) -> Bytes {
    let record = |careq_id: usize| {
        let mut data = harness::appointment(i64::try_from(careq_id).unwrap());
        data["clinic_id"] = clinic.into();
        data["prescription"] = json!(["\\".repeat((bytes / 1_000 - 310) / 2)]);
        json!({ "type": "appointment", "data": data })
    };
    let records: Vec<_> = (1..=1_000).map(record).collect();
    let batch = json!({ "clinic_id": clinic, "batch_id": format!("slashes {bytes}"), "records": records })
        .to_string();
    assert!((bytes * 9 / 10..bytes).contains(&batch.len()), "{}", batch.len());
    batch.into()
}

fn batch_of(records: &str) -> Bytes {
    format!(r#"{{"clinic_id":"{CLINIC}","batch_id":"b","records":[{}]}}"#, records.trim_end_matches(','))
        .into()
}

fn appointment_with(prescription: &str) -> Bytes {
    let mut appointment = harness::appointment(1);
    appointment["prescription"] = json!("HERE");
    appointment.to_string().replace("\"HERE\"", &format!("[{}]", prescription.trim_end_matches(','))).into()
}

async fn post(client: &Client, path: &str, body: Bytes, headers: &[(&str, &str)]) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", "application/json").body(body);
    harness::send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

fn named(answer: &Answer) -> Vec<&str> {
    answer.body["errors"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status).or_default() += 1;
    }
    statuses
}
