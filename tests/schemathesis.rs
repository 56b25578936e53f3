//! schemathesis generates valid and invalid requests from the API's description, follows its links, and checks the
//! responses against it. `make schemathesis` installs and runs it.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::harness::{Stack, TOKEN, appointment, until};

/// The same cases in each run.
const SEED: &str = "20251210";

const USUAL: [&str; 4] = ["--max-examples", "25", "--workers", "2"];

/// Each request has a separate source address, see `schemathesis/hooks.py`. Responses need not wait for the
/// workers.
const SETTINGS: [(&str, &str); 3] = [
    ("CAREQ_INGRESS_TRUSTED_PROXIES", "127.0.0.0/8"),
    ("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "250"),
    ("CAREQ_INGRESS_BATCH_RESULT_TIMEOUT_MS", "250"),
];

#[tokio::test]
#[ignore = "needs schemathesis; run by `make schemathesis`"]
async fn finds_nothing_on_the_embedded_default() {
    let stack = Stack::embedded(&SETTINGS).await;
    run(&format!("http://{}/openapi.json", stack.client.address()), TOKEN, &USUAL).await;
    stack.finish().await;
}

#[tokio::test]
#[ignore = "needs schemathesis; run by `make schemathesis`"]
async fn finds_nothing_on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &SETTINGS).await;
    run(&format!("http://{}/openapi.json", stack.client.address()), TOKEN, &USUAL).await;
    stack.finish().await;
}

#[tokio::test]
#[ignore = "needs schemathesis; run by `make schemathesis`"]
async fn finds_nothing_in_the_admin_api() {
    let quick = [("CAREQ_WORKER_PARENT_TIMEOUT_S", "1"), ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")];
    let mut stack = Stack::full(1, &[&SETTINGS[..], &quick].concat()).await;
    for careq_id in 1..=20 {
        let at_once = [("prefer", "respond-async")];
        let booked = stack.client.post_with("/appointment", &appointment(careq_id), &at_once).await;
        until("the parent deadline has passed", || {
            stack.client.event_is(&booked.body["data"]["event_id"], "failed")
        })
        .await;
    }
    let made = stack.command(&["admin", "add", "schemathesis", "--role", "operator", "--json"], &[]).await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let document = format!("http://{}/admin/openapi.json", stack.admin_address().await);
    // The stream of a paused job has no end. In some versions of Python, two threads that read sources fail
    // (python/cpython#106905).
    let effort = ["--max-examples", "5", "--workers", "1", "--exclude-path-regex", "progress$"];
    run(&document, made["token"].as_str().unwrap(), &effort).await;
    stack.finish().await;
}

async fn run(document: &str, token: &str, effort: &[&str]) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let program =
        PathBuf::from(env!("CARGO_BIN_EXE_careq-sync")).ancestors().nth(2).unwrap().join("schemathesis/bin");
    let folder = tempfile::tempdir().unwrap();
    let config = root.join("tests/schemathesis/schemathesis.toml").display().to_string();
    let output = Command::new(program.join("schemathesis"))
        .args(["--config-file", &config, "run", document, "--seed", SEED, "--no-color"])
        .args(effort)
        .env("CAREQ_TOKEN", token)
        .env("SCHEMATHESIS_HOOKS", root.join("tests/schemathesis/hooks.py"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("schemathesis is installed by tests/schemathesis/install");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "schemathesis has found something:\n{report}");
}
