//! Credentials of a clinic, as its operator sets them: required, rotated with an overlap, removed. Every ingress
//! applies a change within seconds and keeps working when the database is down.

use std::time::{Duration, Instant};

use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::harness::{
    Backend, CLINIC, FreshDatabase, Process, Secrets, Signed, Stack, TOKEN, hmac, now, patient, send, until,
};

const SIGNED: &str = "clinic_signed";

#[tokio::test]
async fn every_secret_is_rotated_with_an_overlap_and_taken_away() {
    let stack = Stack::embedded(&[]).await;
    let mut secrets = Secrets::for_new_clinic(&stack, SIGNED).await;
    becomes(&stack, &secrets, true).await;
    for kind in ["token", "api-key", "webhook-secret", "signing-secret"] {
        let old = secrets.clone();
        let rotate = ["clinic", "rotate", SIGNED, kind, "--overlap", "1h", "--json"];
        *secrets.get_mut(kind) = printed(&stack, &rotate, kind).await;
        becomes(&stack, &secrets, true).await;
        assert!(is_accepted(&stack, &old).await, "the old {kind} is good for an hour");
        let rotate = ["clinic", "rotate", SIGNED, kind, "--overlap", "0s", "--json"];
        *secrets.get_mut(kind) = printed(&stack, &rotate, kind).await;
        becomes(&stack, &secrets, true).await;
        becomes(&stack, &old, false).await;
    }
    let shown: Value =
        serde_json::from_str(&stack.command(&["clinic", "show", SIGNED, "--json"], &[]).await).unwrap();
    assert_eq!(shown["valid"], json!({ "token": 1, "api_key": 1, "webhook_secret": 1, "signing_secret": 1 }));
    for secret in secrets.all() {
        assert!(!shown.to_string().contains(secret));
        assert!(!stack.logged().contains(secret));
    }

    for kind in ["api-key", "webhook-secret", "signing-secret"] {
        stack.command(&["clinic", "unset", SIGNED, kind], &[]).await;
    }
    until("only the token is required", || async {
        let bare = stack.client.with_token(&secrets.token).get("/health").await;
        (bare.status == 200).then_some(())
    })
    .await;
    stack.finish().await;
}

/// A credential that a command has set is required within ten seconds, without a restart.
#[tokio::test]
async fn a_change_applies_within_ten_seconds() {
    let stack = Stack::embedded(&[]).await;
    assert_eq!(stack.client.get("/health").await.status, 200);
    let api_key = printed(&stack, &["clinic", "set", CLINIC, "api-key", "--json"], "api-key").await;
    let began = Instant::now();
    until("the API key is required", || async {
        (stack.client.get("/health").await.status == 401).then_some(())
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(
        send(stack.client.request(Method::GET, "/health").header("x-api-key", api_key)).await.status,
        200
    );
    stack.command(&["clinic", "configure", CLINIC, "--rate-per-minute", "1", "--rate-burst", "2"], &[]).await;
    stack.command(&["clinic", "unset", CLINIC, "api-key"], &[]).await;
    let limited = until("the clinic's own rate applies", || async {
        let answer = stack.client.get("/health").await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    assert_eq!(
        (&limited.headers["x-ratelimit-limit"], &limited.headers["x-ratelimit-remaining"]),
        (&"1".parse().unwrap(), &"0".parse().unwrap())
    );
    let wait: u64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(limited.body["error"]["code"], "RATE_LIMIT_EXCEEDED");
    stack.finish().await;
}

#[tokio::test]
async fn the_ingress_uses_its_cached_clinics_while_the_database_is_down() {
    let stack = Stack::full(0, &[("CAREQ_INGRESS_CLINICS_REFRESH_INTERVAL_S", "1")]).await;
    let secrets = Secrets::for_new_clinic(&stack, SIGNED).await;
    becomes(&stack, &secrets, true).await;
    let unreachable = UnreachableDatabase::begin(&stack.database).await;
    until("the ingress has logged the failure", || async {
        stack.logged().contains("the last copy stays in use").then_some(())
    })
    .await;
    let mut body = patient(1);
    body["clinic_id"] = json!(SIGNED);
    let signed = secrets.sign(Method::POST, "/patient", body.to_string().into_bytes()).await;
    let accepted = send(signed.and("prefer", "respond-async").request(&stack.client)).await;
    assert_eq!((accepted.status, &accepted.body["data"]["sync_status"]), (202, &json!("queued")));
    let unsigned = stack.client.with_token(&secrets.token).post("/patient", &body).await;
    assert_eq!(unsigned.status, 401, "required credentials are still required");
    unreachable.end().await;
    let mut stack = stack;
    stack.start_worker().await;
    stack.finish().await;
}

/// A signing secret created by CareQ is read from standard input, which other users of the machine cannot see.
#[tokio::test]
async fn a_secret_created_by_careq_is_read_from_standard_input() {
    let stack = Stack::embedded(&[]).await;
    let careq_secret = "a-secret-that-careq-has-made";
    let set = ["clinic", "set", CLINIC, "signing-secret", "--stdin", "--json"];
    let printed: Value = serde_json::from_str(&stack.command_with_input(&set, careq_secret).await).unwrap();
    assert_eq!(printed["signing_secret"], careq_secret);
    let body = patient(1).to_string().into_bytes();
    let signature = format!("sha256={}", hmac(careq_secret, &body).await);
    until("the signature is required and accepted", || async {
        let unsigned = stack.client.post("/patient", &patient(1)).await;
        let request =
            stack.client.request(Method::POST, "/patient").header("content-type", "application/json");
        let request = request.header("x-careq-signature", &signature).header("x-careq-timestamp", now());
        let signed = send(request.body(body.clone())).await;
        ((unsigned.status, signed.status) == (401, 201)).then_some(())
    })
    .await;
    stack.finish().await;
}

#[tokio::test]
async fn refused_changes_name_the_remedy() {
    let stack = Stack::embedded(&[]).await;
    let rows: [(&[&str], &str); 7] = [
        (&["clinic", "unset", CLINIC, "token"], "a token is always required"),
        (&["clinic", "unset", CLINIC, "api-key"], "clinic set clinic_abc api-key"),
        (&["clinic", "rotate", CLINIC, "signing-secret"], "clinic set clinic_abc signing-secret"),
        (&["clinic", "set", CLINIC, "token"], "clinic rotate clinic_abc token"),
        (&["clinic", "set", CLINIC, "api-key", "--stdin"], "standard input, which is empty"),
        (&["clinic", "set", "nobody", "api-key"], "there is no clinic nobody"),
        (&["clinic", "configure", CLINIC, "--addresses", "here"], "networks in CIDR notation"),
    ];
    for (arguments, remedy) in rows {
        let fault = stack.failing_command(arguments, &[]).await;
        assert!(fault.contains(remedy), "{arguments:?}: {fault}");
    }
    stack.finish().await;
}

/// API specification, "Authentication": the token identifies the calling clinic.
#[tokio::test]
async fn one_token_for_two_clinics_is_refused() {
    let clinics = format!("one={TOKEN},two={TOKEN}");
    let ended = Process::run(&[], &[("CAREQ_CLINICS", &clinics)]).await;
    assert!(!ended.success);
    assert!(ended.stderr.contains("must be unique per clinic"), "{}", ended.stderr);
}

/// Refuses all connections to a database until `end` is called.
struct UnreachableDatabase<'stack> {
    database: &'stack FreshDatabase,
    admin: FreshDatabase,
}

impl<'stack> UnreachableDatabase<'stack> {
    async fn begin(database: &'stack FreshDatabase) -> Self {
        let admin = FreshDatabase::empty(Backend::Postgres).await;
        let name = database.name();
        for statement in [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        ] {
            admin.connection.execute_unprepared(&statement).await.unwrap();
        }
        Self { database, admin }
    }

    async fn end(self) {
        let statement = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.database.name());
        self.admin.connection.execute_unprepared(&statement).await.unwrap();
    }
}

impl Secrets {
    fn get_mut(&mut self, kind: &str) -> &mut String {
        match kind {
            "token" => &mut self.token,
            "api-key" => &mut self.api_key,
            "webhook-secret" => &mut self.webhook_secret,
            _ => &mut self.signing_secret,
        }
    }
}

async fn printed(stack: &Stack, arguments: &[&str], kind: &str) -> String {
    let printed: Value = serde_json::from_str(&stack.command(arguments, &[]).await).unwrap();
    printed[kind.replace('-', "_")].as_str().unwrap().to_owned()
}

async fn is_accepted(stack: &Stack, secrets: &Secrets) -> bool {
    let signed: Signed = secrets.sign(Method::GET, "/health", Vec::new()).await;
    send(signed.request(&stack.client)).await.status == 200
}

async fn becomes(stack: &Stack, secrets: &Secrets, expected: bool) {
    until(&format!("its acceptance becomes {expected}"), || async {
        (is_accepted(stack, secrets).await == expected).then_some(())
    })
    .await;
}
