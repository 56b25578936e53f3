//! schemathesis makes up requests from the API's own description, good and bad, follows its links, and holds the answers against
//! it. Run by `make schemathesis`, which installs it.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::harness::{Stack, TOKEN};

/// The same cases each time.
const SEED: &str = "20251210";

/// Its requests come from an address each, see `schemathesis/hooks.py`; answers need not wait for the workers.
const SETTINGS: [(&str, &str); 3] = [
    ("CAREQ_INGRESS_TRUSTED_PROXIES", "127.0.0.0/8"),
    ("CAREQ_INGRESS_ANSWER_WITHIN_MS", "250"),
    ("CAREQ_INGRESS_BATCH_ANSWER_WITHIN_MS", "250"),
];

#[tokio::test]
#[ignore = "needs schemathesis; run by `make schemathesis`"]
async fn finds_nothing_on_the_embedded_default() {
    let stack = Stack::embedded(&SETTINGS).await;
    run(&stack).await;
    stack.finish().await;
}

#[tokio::test]
#[ignore = "needs schemathesis; run by `make schemathesis`"]
async fn finds_nothing_on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &SETTINGS).await;
    run(&stack).await;
    stack.finish().await;
}

async fn run(stack: &Stack) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let program =
        PathBuf::from(env!("CARGO_BIN_EXE_careq-sync")).ancestors().nth(2).unwrap().join("schemathesis/bin");
    let document = format!("http://{}/openapi.json", stack.client.address());
    let folder = tempfile::tempdir().unwrap();
    let config = root.join("tests/schemathesis/schemathesis.toml").display().to_string();
    let output = Command::new(program.join("schemathesis"))
        .args(["--config-file", &config, "run", &document, "--seed", SEED, "--max-examples", "25"])
        .args(["--workers", "2", "--no-color"])
        .env("CAREQ_TOKEN", TOKEN)
        .env("SCHEMATHESIS_HOOKS", root.join("tests/schemathesis/hooks.py"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("schemathesis is installed by tests/schemathesis/install");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "schemathesis has found something:\n{report}");
}
