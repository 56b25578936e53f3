//! The first command of the README in an empty folder: one process, and a curl line to paste.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Process, fetch, until};

const LISTEN: [(&str, &str); 3] = [
    ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
    ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
    ("CAREQ_LOG_FORMAT", "json"),
];

#[tokio::test]
async fn the_pasted_line_answers_201() {
    let started = Instant::now();
    let process = Process::start(&[], &LISTEN);
    process.logged("careq-sync takes requests").await;
    // The documented time is under a second; a debug build under load gets more.
    assert!(started.elapsed() < Duration::from_secs(5), "ready after {:?}", started.elapsed());

    let pasted = until("the curl line is printed", || async {
        process.stdout().lines().find(|line| line.starts_with("curl ")).map(str::to_owned)
    })
    .await;
    let first = paste(&pasted).await;
    assert!(first.starts_with("HTTP/1.1 201 Created"), "{first}");
    let body: Value = serde_json::from_str(first.rsplit("\r\n\r\n").next().unwrap()).unwrap();
    assert_eq!(body["message"], "Patient created successfully");
    assert_eq!(body["data"]["sync_status"], "synced");
    let again = paste(&pasted).await;
    assert!(
        again.starts_with("HTTP/1.1 201 Created") && again.contains("idempotent-replayed: true"),
        "{again}"
    );

    let ready = process.logged("operations: /livez, /readyz and /metrics").await;
    let operations = ready["fields"]["address"].as_str().unwrap().to_owned();
    for (path, text) in [("/livez", "alive\n"), ("/readyz", "ready\n")] {
        let answer = fetch(&operations, path).await;
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, text));
    }

    let token = pasted.split("Bearer ").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let ended = process.stop().await;
    assert!(ended.success, "{}", ended.stderr);
    assert!(ended.stdout.contains(&token), "the token is printed at the first start");
    assert!(!ended.stderr.contains(&token), "never logged");
}

#[tokio::test]
async fn a_second_start_keeps_everything_and_shows_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let settings: Vec<_> = LISTEN.into_iter().chain([("CAREQ_DATA_DIR", data.as_str())]).collect();
    let first = Process::start(&[], &settings);
    first.logged("careq-sync takes requests").await;

    let refused = Process::run(&[], &settings).await;
    assert!(!refused.success);
    assert!(refused.stderr.contains("another careq-sync uses this folder"), "{}", refused.stderr);

    assert!(first.stop().await.success);
    let second = Process::start(&[], &settings);
    second.logged("careq-sync takes requests").await;
    assert_eq!(second.stop().await.stdout, "");
}

#[tokio::test]
async fn clinics_are_made_rotated_disabled_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let settings = [("CAREQ_DATA_DIR", data.as_str())];
    let run = async |arguments: &[&str]| Process::run(arguments, &settings).await;

    let added = run(&["clinic", "add", "clinic_abc", "--json"]).await;
    assert!(added.success, "{}", added.stderr);
    let added: Value = serde_json::from_str(&added.stdout).unwrap();
    assert_eq!(added["clinic_id"], "clinic_abc");
    assert!(added["token"].as_str().unwrap().len() >= 32);

    let twice = run(&["clinic", "add", "clinic_abc"]).await;
    assert!(!twice.success && twice.stderr.contains("clinic rotate clinic_abc"), "{}", twice.stderr);
    assert!(run(&["clinic", "rotate", "clinic_abc", "--overlap", "24h"]).await.success);
    let missing = run(&["clinic", "disable", "nobody"]).await;
    assert!(!missing.success && missing.stderr.contains("no clinic nobody"), "{}", missing.stderr);
    assert!(run(&["clinic", "disable", "clinic_abc"]).await.success);

    let listed: Value = serde_json::from_str(&run(&["clinic", "list", "--json"]).await.stdout).unwrap();
    assert_eq!(listed[0]["valid_tokens"], 2, "the old token during the overlap, and the new one");
    assert!(listed[0]["disabled_at"].is_string());
    let table = run(&["clinic", "list"]).await.stdout;
    assert!(table.contains("clinic_abc") && table.contains("disabled"), "{table}");
}

async fn paste(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}
