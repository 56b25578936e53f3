//! Personal data is written only to the tables. Every path, valid and invalid, gets marked data; then all output
//! and all responses of the processes are searched for the mark.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use careq_shared::config;
use careq_shared::entities::dead_letter;
use reqwest::Method;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::harness::{CLINIC, Collector, OTHER_TOKEN, Stack, TOKEN, sample, send, until};

/// Part of every personal value, and of every invalid secret.
const MARK: &str = "Zxmarkqj";

const COLLECTOR: &str = "CAREQ_TELEMETRY_OTLP_ENDPOINT";

/// The proxies' addresses are trusted to name the client, so that a failure does not wait for earlier failures.
const PROXY: (&str, &str) = ("CAREQ_INGRESS_TRUSTED_PROXIES", "127.0.0.0/8");

#[tokio::test]
async fn on_the_embedded_default() {
    let collector = Collector::start().await;
    let stack = Stack::embedded(&[PROXY, (COLLECTOR, &collector.url)]).await;
    flood(&stack).await;
    lines(&stack);
    letters(&stack).await;
    measured_and_traced(&stack, &collector).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let collector = Collector::start().await;
    let stack = Stack::full(2, &[PROXY, ("CAREQ_LOG_LEVEL", "debug"), (COLLECTOR, &collector.url)]).await;
    flood(&stack).await;
    lines(&stack);
    letters(&stack).await;
    measured_and_traced(&stack, &collector).await;
    stack.finish().await;
}

/// The endpoint's example with every identifying text marked.
fn marked(path: &str) -> Value {
    let mut body = sample(path);
    let fields = body.as_object_mut().unwrap();
    let is_ours = |name: &str| {
        ["clinic_id", "status", "gender", "color", "timezone"].contains(&name)
            || name.ends_with("_at")
            || name.ends_with("_datetime")
            || name.starts_with("date")
    };
    for (name, value) in fields.iter_mut().filter(|(name, value)| value.is_string() && !is_ours(name)) {
        *value = match name.as_str() {
            "email" => json!(format!("{MARK}@example.com")),
            "phone_number" => json!("9753197531"),
            "currency" | "language" | "zip_code" => json!(MARK),
            _ => json!(format!("{MARK} {name}")),
        };
    }
    body
}

const PATHS: [&str; 6] =
    ["/patient", "/doctor", "/service", "/appointment", "/appointment/status", "/appointment/cancel"];

async fn flood(stack: &Stack) {
    for path in
        ["/appointment", "/appointment/cancel", "/patient", "/doctor", "/service", "/appointment/status"]
    {
        good(stack, path).await;
    }
    for path in PATHS {
        bad(stack, path).await;
    }
    batches(stack).await;
    pages(stack).await;
}

async fn good(stack: &Stack, path: &str) {
    unmarked(&stack.client.post(path, &marked(path)).await.body);
    let key = format!("{MARK}-key");
    for notes in [MARK, "other"] {
        let mut body = marked(path);
        body["notes"] = json!(notes);
        unmarked(&stack.client.post_with(path, &body, &[("idempotency-key", &key)]).await.body);
    }
}

async fn bad(stack: &Stack, path: &str) {
    let good = marked(path);
    for (name, _) in good.as_object().unwrap() {
        for value in
            [json!([MARK]), json!({ MARK: MARK }), json!(format!("{MARK}\u{0}")), json!(MARK.repeat(100))]
        {
            let mut body = good.clone();
            body[name] = value;
            body[MARK] = json!(MARK);
            let answer = stack.client.post(path, &body).await;
            unmarked(&answer.body);
        }
    }
    for (content_type, body) in [
        ("application/json", format!("{{\"first_name\": \"{MARK}")),
        ("application/json", format!("\"{MARK}\"")),
        ("application/json", format!("{{\"{MARK}\": {MARK}}}")),
        (MARK, good.to_string()),
    ] {
        let request =
            stack.client.request(Method::POST, path).header("content-type", content_type).body(body);
        unmarked(&send(request).await.body);
    }
    let address = format!("2001:db8:0:{}::1", path.len());
    let from = [("x-forwarded-for", address.as_str())];
    let foreign = stack.client.with_token(OTHER_TOKEN).post_with(path, &good, &from).await;
    assert_eq!(foreign.status, 401);
    unmarked(&foreign.body);
    for header in
        ["authorization", "x-api-key", "x-webhook-secret", "x-careq-signature", "x-careq-timestamp", "prefer"]
    {
        let request = stack.client.request(Method::POST, path).header(header, MARK);
        let request = request.header("x-forwarded-for", &address).json(&good);
        unmarked(&send(request).await.body);
    }
}

async fn batches(stack: &Stack) {
    let record = |kind: &str, path: &str| json!({ "type": kind, "data": marked(path), MARK: MARK });
    let records =
        [record("patient", "/patient"), record(MARK, "/doctor"), json!(MARK), json!({ MARK: MARK })];
    for body in [
        json!({ "clinic_id": CLINIC, "batch_id": "b1", "records": records }),
        json!({ "clinic_id": CLINIC, "batch_id": "b1", "records": [record("service", "/service")] }),
        json!({ "clinic_id": CLINIC, "batch_id": MARK.repeat(40), "records": MARK, MARK: MARK }),
        json!({ "clinic_id": MARK, "batch_id": "b2", "records": records }),
    ] {
        unmarked(&stack.client.post("/batch", &body).await.body);
    }
}

async fn pages(stack: &Stack) {
    for path in ["/events/", "/batch/", "/status/patient/", "/status/", "/", "/batch/x?receipt=", "/health?"]
    {
        let path = format!("{path}{MARK}");
        for method in [Method::GET, Method::POST, Method::DELETE] {
            unmarked(&send(stack.client.request(method, &path)).await.body);
        }
    }
    let odd = Method::from_bytes(MARK.to_uppercase().as_bytes()).unwrap();
    unmarked(&send(stack.client.request(odd, "/health")).await.body);
}

/// Asserts that no error body repeats the request's data.
fn unmarked(body: &Value) {
    assert!(!body.to_string().contains(MARK), "{body}");
}

/// Each request has one line with the fields of the specification. Errors have their reason and the shape of the
/// payload, and nothing more.
fn lines(stack: &Stack) {
    let log = stack.logged();
    for secret in [MARK, &MARK.to_uppercase(), "9753197531", TOKEN, OTHER_TOKEN, "[withheld]"] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
    let requests = lines_with(&log, "request");
    assert!(requests.len() > 400, "{}", requests.len());
    assert!(requests.iter().all(|line| line["status"].is_u64() && line["duration_ms"].is_u64()));
    let stored = requests.iter().find(|line| line["status"] == 201).expect("some were stored");
    assert_eq!((&stored["clinic_id"], &stored["method"]), (&json!(CLINIC), &json!("POST")));
    assert!(
        stored["careq_id"].is_i64()
            && stored["endpoint"].as_str().unwrap().starts_with("/api/v1/careq-sync/")
    );
    let refused = lines_with(&log, "request refused");
    let explained =
        refused.iter().find(|line| line["code"] == "VALIDATION_ERROR").expect("some were refused");
    assert!(explained["payload"].as_str().unwrap().contains("\"text of "), "{explained:?}");
    assert!(explained["details"].as_str().unwrap().len() > 10, "{explained:?}");
}

/// The fields of the lines with this message. Every line of a log is JSON.
fn lines_with(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let fields = lines.map(|mut line| line["fields"].take());
    fields.filter(|fields| fields["message"] == message).collect()
}

/// Each dead letter has one line with which an admin can find it.
async fn letters(stack: &Stack) {
    until("every letter has a log line", || async {
        // The log is read first, because a line follows its commit.
        let log = stack.logged();
        let letters = dead_letter::Entity::find().all(&stack.database.connection).await.unwrap();
        let stored: BTreeSet<_> = letters.iter().map(|letter| letter.id.to_string()).collect();
        let lines = lines_with(&log, "a dead letter needs a person");
        let logged: Vec<_> = lines.iter().map(|line| line["letter"].as_str().unwrap().to_owned()).collect();
        assert!(!stored.is_empty() && logged.len() <= stored.len(), "{logged:?}, but {stored:?}");
        (logged.len() == stored.len() && logged.into_iter().collect::<BTreeSet<_>>() == stored).then_some(())
    })
    .await;
}

/// Metrics and exported traces hold no personal data.
async fn measured_and_traced(stack: &Stack, collector: &Collector) {
    let requests = || collector.spans().into_iter().filter(|span| span.text("http.request.method").is_some());
    until("the collector has most of the requests", || async { (requests().count() > 400).then_some(()) })
        .await;
    collector.span("a worker's side", |span| span.name == "settle").await;
    let scraped: String = stack.metrics().await.into_iter().map(|exposition| exposition.text).collect();
    for (what, text) in [("scraped", scraped), ("sent to the collector", collector.texts())] {
        assert!(text.len() > 1_000, "{what}: {text}");
        for secret in [MARK, &MARK.to_uppercase(), "9753197531", TOKEN, OTHER_TOKEN, "[withheld]"] {
            assert!(!text.contains(secret), "{secret:?} is {what}");
        }
    }
}

/// A panic message may quote the data that was processed. The log has its location and its stack instead.
#[test]
fn a_panic_is_logged_with_its_stack_and_without_its_message() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "logs::the_program_that_panics", "--ignored", "--nocapture"])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!log.contains(MARK), "{log}");
    let line: Value = serde_json::from_str(log.lines().next().expect("it has logged")).unwrap();
    assert_eq!(line["fields"]["message"], "a fault in the program");
    assert!(line["fields"]["place"].as_str().unwrap().contains("logs.rs:"), "{line}");
    assert!(line["fields"]["stack"].as_str().unwrap().contains("a_rule_that_fails"), "{line}");
}

#[test]
#[ignore = "run by the test above, as a separate program"]
fn the_program_that_panics() {
    let settings = [("CAREQ_LOG_FORMAT".to_owned(), "json".to_owned())];
    let config = config::load(None, settings).unwrap();
    careq_shared::telemetry::start(&config.log, &config.telemetry, None).unwrap();
    assert!(std::thread::spawn(a_rule_that_fails).join().is_err());
}

#[inline(never)]
fn a_rule_that_fails() {
    panic!("the patient {MARK} has no phone number");
}
