//! Attacks on the ingress. Each row is a request with one wrong credential or property. All rows get the same 401,
//! nothing is stored, and one line is logged for each request.

use careq_shared::entities::{batch, dead_letter, event, parked_event, patient as patients};
use reqwest::Method;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::harness::{Answer, Secrets, Signed, Stack, TOKEN, hmac, now, patient, send, until};

const SIGNED: &str = "clinic_signed";

/// Text in every body. It must not be stored or logged.
const MARK: &str = "Xquibblefrotz";

/// Source address of the test's own requests.
const OWN_ADDRESS: &str = "203.0.113.250";

#[tokio::test]
async fn every_attack_gets_the_same_refusal_and_stores_nothing() {
    let settings =
        [("CAREQ_INGRESS_TRUSTED_PROXIES", "127.0.0.0/8"), ("CAREQ_INGRESS_CLINICS_REFRESH_INTERVAL_S", "1")];
    let stack = Stack::embedded(&settings).await;
    let secrets = Secrets::for_new_clinic(&stack, SIGNED).await;
    stack.command(&["clinic", "configure", SIGNED, "--addresses", "203.0.113.0/24"], &[]).await;
    let get = secrets.sign(Method::GET, "/health", Vec::new()).await.and("x-forwarded-for", OWN_ADDRESS);
    until("the ingress has loaded the clinic", || async {
        (send(get.request(&stack.client)).await.status == 200).then_some(())
    })
    .await;

    let refused = refusals(&stack, &rows(&secrets).await).await;
    nothing_is_stored(&stack).await;
    nothing_is_logged(&stack, &secrets, refused).await;

    // The unchanged request is accepted.
    let good = good(&secrets).await.and("x-forwarded-for", OWN_ADDRESS);
    let answer = send(good.request(&stack.client)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let unmarked = json!({ "careq_id": 2, "clinic_id": SIGNED, "first_name": "Asha", "last_name": "Rao",
                           "phone_number": "9000000001" });
    let good = secrets.sign(Method::POST, "/patient", unmarked.to_string().into_bytes()).await;
    assert_eq!(
        send(good.and("x-forwarded-for", "1.2.3.4, 203.0.113.251").request(&stack.client)).await.status,
        201
    );
    stack.finish().await;
}

async fn good(secrets: &Secrets) -> Signed {
    let mut body = patient(1);
    (body["clinic_id"], body["first_name"]) = (json!(SIGNED), json!(MARK));
    secrets.sign(Method::POST, "/patient", body.to_string().into_bytes()).await
}

/// Descriptions and requests. The source address is added unless the row has its own.
async fn rows(secrets: &Secrets) -> Vec<(&'static str, Signed)> {
    let good = good(secrets).await;
    let mut rows = tokens(&good, secrets);
    rows.extend(signatures(&good, secrets).await);
    rows.extend(times(&good));
    rows.extend(addresses(&good));
    let mut other_clinic = patient(1);
    other_clinic["first_name"] = json!(MARK);
    rows.push((
        "a body of another clinic",
        secrets.sign(Method::POST, "/patient", other_clinic.to_string().into_bytes()).await,
    ));
    let batch = json!({ "clinic_id": "clinic_abc", "batch_id": MARK, "records": [{}] });
    rows.push((
        "a batch of another clinic",
        secrets.sign(Method::POST, "/batch", batch.to_string().into_bytes()).await,
    ));
    for (what, method, path) in [
        ("a page without a signature", Method::GET, "/status/patient/1"),
        ("health without a signature", Method::GET, "/health"),
        ("a head without a signature", Method::HEAD, "/health"),
        ("a wrong method without a signature", Method::DELETE, "/patient"),
        ("an unknown event without a signature", Method::GET, "/events/evt_x"),
    ] {
        rows.push((what, secrets.sign(method, path, Vec::new()).await.without("x-careq-signature")));
    }
    let mut signs_something = secrets.sign(Method::GET, "/health", b"{}".to_vec()).await;
    signs_something.body.clear();
    rows.push(("a page that signs a body", signs_something));
    rows
}

fn tokens(good: &Signed, secrets: &Secrets) -> Vec<(&'static str, Signed)> {
    let token = format!("Bearer {}", secrets.token);
    let with = |value: &str| good.clone().with("authorization", value);
    vec![
        ("no token", good.clone().without("authorization")),
        ("an empty token", with("Bearer ")),
        ("another token", with("Bearer careq_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("another clinic's token", with(&format!("Bearer {TOKEN}"))),
        ("half a token", with(token.split_at(30).0)),
        ("a longer token", with(&format!("{token}A"))),
        ("another scheme", with(&format!("Basic {}", secrets.token))),
        ("no scheme", with(&secrets.token)),
        ("two tokens", good.clone().and("authorization", &format!("Bearer {TOKEN}"))),
        ("the API key as token", with(&format!("Bearer {}", secrets.api_key))),
        ("no API key", good.clone().without("x-api-key")),
        ("an empty API key", good.clone().with("x-api-key", "")),
        ("another API key", good.clone().with("x-api-key", &secrets.webhook_secret)),
        ("two API keys", good.clone().and("x-api-key", &secrets.api_key)),
        ("no webhook secret", good.clone().without("x-webhook-secret")),
        ("another webhook secret", good.clone().with("x-webhook-secret", &secrets.api_key)),
        ("two webhook secrets", good.clone().and("x-webhook-secret", "b")),
    ]
}

async fn signatures(good: &Signed, secrets: &Secrets) -> Vec<(&'static str, Signed)> {
    let signature = &good.headers.iter().find(|(name, _)| name == "x-careq-signature").unwrap().1;
    let digits = signature.trim_start_matches("sha256=");
    let with = |value: &str| good.clone().with("x-careq-signature", value);
    let mut changed = good.clone();
    changed.body.push(b' ');
    let mut smuggled = good.clone();
    smuggled.body =
        String::from_utf8(smuggled.body).unwrap().replace("\"careq_id\":1", "\"careq_id\":9").into_bytes();
    vec![
        ("no signature", good.clone().without("x-careq-signature")),
        ("an empty signature", with("")),
        ("a signature of nothing but zeros", with(&format!("sha256={}", "0".repeat(64)))),
        ("a signature without its prefix", with(digits)),
        ("a signature of another method", with(&format!("sha1={digits}"))),
        ("a prefix in capitals", with(&format!("SHA256={digits}"))),
        ("half a signature", with(signature.split_at(39).0)),
        ("a signature and more", with(&format!("{signature}00"))),
        ("two signatures", good.clone().and("x-careq-signature", signature)),
        (
            "a signature with another secret",
            with(&format!("sha256={}", hmac(&secrets.token, &good.body).await)),
        ),
        ("a signature of nothing", with(&format!("sha256={}", hmac(&secrets.signing_secret, b"").await))),
        ("a space more in the body", changed),
        (
            "a wrong signature of a body that is not JSON",
            with(&format!("sha256={}", hmac("x", b"").await)).with("content-type", "text/plain"),
        ),
        ("another number in the body", smuggled),
    ]
}

fn times(good: &Signed) -> Vec<(&'static str, Signed)> {
    let with = |value: &str| good.clone().with("x-careq-timestamp", value);
    vec![
        ("no time stamp", good.clone().without("x-careq-timestamp")),
        ("an empty time stamp", with("")),
        ("a time stamp six minutes old", with(&(now() - 360).to_string())),
        ("a time stamp six minutes ahead", with(&(now() + 360).to_string())),
        ("a time stamp in milliseconds", with(&(now() * 1_000).to_string())),
        ("a time stamp in words", with("2025-12-10T10:00:00Z")),
        ("a negative time stamp", with("-1702209600")),
        ("a time stamp with a fraction", with(&format!("{}.0", now()))),
        ("two time stamps", good.clone().and("x-careq-timestamp", &now().to_string())),
    ]
}

fn addresses(good: &Signed) -> Vec<(&'static str, Signed)> {
    let from = |value: &str| good.clone().and("x-forwarded-for", value);
    vec![
        ("an address outside", from("198.51.100.1")),
        ("an allowed address that anyone could write", from("203.0.113.1, 198.51.100.2")),
        ("the same in a header of its own", from("203.0.113.1").and("x-forwarded-for", "198.51.100.3")),
        ("no address at all", from("unknown")),
        ("an address in another header", from("198.51.100.4").and("forwarded", "for=203.0.113.1")),
        ("an address and the proxy's own", from("198.51.100.5, 127.0.0.1")),
    ]
}

/// Sends every row from a separate address, so that no row is delayed by the failures of another. Returns the
/// number of requests.
async fn refusals(stack: &Stack, rows: &[(&'static str, Signed)]) -> usize {
    let mut first: Option<Answer> = None;
    for (number, (what, row)) in rows.iter().enumerate() {
        let mut row = row.clone();
        if !row.headers.iter().any(|(name, _)| name == "x-forwarded-for") {
            row = row.and("x-forwarded-for", &format!("203.0.113.{number}"));
        }
        let request = row.request(&stack.client);
        if row.method == Method::HEAD {
            assert_eq!(request.send().await.unwrap().status(), 401, "{what}");
            continue;
        }
        let mut answer = send(request).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        // Not compared: times, the methods of a path, and the state of the rate limit. The latter is only sent to
        // an authenticated clinic, here with the body of another clinic.
        answer.body["timestamp"].take();
        for name in ["allow", "date", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
            answer.headers.remove(name);
        }
        let first = first.get_or_insert_with(|| answer.clone());
        assert_eq!((&answer.body, &answer.headers), (&first.body, &first.headers), "{what}");
        assert_eq!(answer.body["error"]["code"], "AUTHENTICATION_FAILED", "{what}");
    }
    rows.len()
}

async fn nothing_is_stored(stack: &Stack) {
    let database = &stack.database.connection;
    assert!(event::Entity::find().all(database).await.unwrap().is_empty());
    assert!(batch::Entity::find().all(database).await.unwrap().is_empty());
    assert!(parked_event::Entity::find().all(database).await.unwrap().is_empty());
    assert!(dead_letter::Entity::find().all(database).await.unwrap().is_empty());
    assert!(patients::Entity::find().all(database).await.unwrap().is_empty());
}

/// Each refusal has one line with the status 401 and the client's address.
async fn nothing_is_logged(stack: &Stack, secrets: &Secrets, refused: usize) {
    let refusals = || {
        let lines: Vec<Value> =
            stack.logged().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.into_iter().filter(|line| line["fields"]["status"] == 401).collect::<Vec<_>>()
    };
    let foreign = || refusals().iter().filter(|line| line["fields"]["client"] != OWN_ADDRESS).count();
    until("every refusal is logged", || async { (foreign() >= refused).then_some(()) }).await;
    assert_eq!(foreign(), refused, "one line for each request");
    let log = stack.logged();
    for secret in secrets.all().into_iter().chain([MARK, TOKEN]) {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
    for line in refusals() {
        let fields = line["fields"].as_object().unwrap();
        let known = ["client", "clinic_id", "duration_ms", "endpoint", "message", "method", "status"];
        assert!(fields.keys().all(|name| known.contains(&name.as_str())), "{line}");
        assert_eq!((&line["level"], &fields["message"]), (&json!("INFO"), &json!("request")), "{line}");
    }
}

/// Repeated failures are delayed. Valid requests are not, even from the same address.
#[tokio::test]
async fn repeated_failures_are_delayed_and_valid_requests_are_not() {
    let stack = Stack::embedded(&[]).await;
    let wrong = stack.client.with_token("a-token-that-nobody-has-ever-had-at-all");
    let began = std::time::Instant::now();
    for _ in 0..9 {
        assert_eq!(wrong.get("/health").await.status, 401);
    }
    // 100, 200, 400 and 800 ms after the first five.
    assert!(began.elapsed() >= std::time::Duration::from_millis(1_500), "{:?}", began.elapsed());
    let began = std::time::Instant::now();
    assert_eq!(stack.client.get("/health").await.status, 200);
    assert!(began.elapsed() < std::time::Duration::from_millis(500), "{:?}", began.elapsed());
    stack.finish().await;
}

/// A sender with a clinic's token but without its signing secret does not use up the clinic's rate. This holds for
/// another address and for the clinic's own.
#[tokio::test]
async fn unverified_requests_do_not_use_up_the_clinics_rate() {
    const BURST: usize = 20;
    let settings = [
        ("CAREQ_INGRESS_TRUSTED_PROXIES", "127.0.0.0/8"),
        ("CAREQ_INGRESS_CLINICS_REFRESH_INTERVAL_S", "1"),
        ("CAREQ_INGRESS_RATE_PER_MINUTE", "1"),
        ("CAREQ_INGRESS_RATE_BURST", "20"),
    ];
    let stack = Stack::embedded(&settings).await;
    let secrets = Secrets::for_new_clinic(&stack, SIGNED).await;
    let good = good(&secrets).await;
    let get = secrets.sign(Method::GET, "/health", Vec::new()).await;
    let wrong = |address: &str| {
        let signature = format!("sha256={}", "0".repeat(64));
        let from = |request: &Signed| {
            request.clone().with("x-careq-signature", &signature).and("x-forwarded-for", address)
        };
        [from(&good), from(&get)]
    };
    until("the ingress has loaded the clinic", || async {
        let answer = send(wrong("198.51.100.201")[1].request(&stack.client)).await;
        (answer.status == 401 && stack.logged().contains(SIGNED)).then_some(())
    })
    .await;
    let flood = ["198.51.100.1", OWN_ADDRESS].map(|address| {
        let requests = wrong(address).into_iter().cycle().take(3 * BURST);
        let client = &stack.client;
        futures_util::future::join_all(requests.map(async |request| send(request.request(client)).await))
    });
    for answers in futures_util::future::join_all(flood).await {
        let refused = answers.iter().filter(|answer| answer.status == 401).count();
        assert_eq!(refused, BURST, "unverified requests have a separate bucket");
        assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status)));
        assert!(answers.iter().all(|answer| !answer.headers.contains_key("x-ratelimit-limit")));
    }
    for number in 0..BURST {
        let request = if number % 2 == 0 { &good } else { &get };
        let answer = send(request.clone().and("x-forwarded-for", OWN_ADDRESS).request(&stack.client)).await;
        assert!(answer.status < 300, "{number}: {} {}", answer.status, answer.body);
        let left = (BURST - 1 - number).to_string();
        assert_eq!(answer.headers["x-ratelimit-remaining"], left.as_str(), "{number}");
    }
    let limited = send(good.and("x-forwarded-for", "198.51.100.3").request(&stack.client)).await;
    assert_eq!((limited.status, &limited.headers["x-ratelimit-remaining"]), (429, &"0".parse().unwrap()));
    stack.finish().await;
}
