//! The simulator passes a working installation with all its disorder, in any order, and fails one that loses,
//! doubles or alters an event.

use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use serde_json::Value;

use crate::harness::{CLINIC, OTHER_CLINIC, OTHER_TOKEN, Process, SEAL_KEYS, Stack, TOKEN};

#[tokio::test]
async fn passes_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    let report =
        simulate(&stack, &["--events", "300", "--shuffle", "--poison", "10", "--orphans", "10"]).await;
    assert!(report["passed"] == true, "{report:#}");
    assert!(report["checked_rows"].as_u64() > report["acknowledged"].as_u64(), "{report:#}");
    stack.finish().await;
}

#[tokio::test]
async fn passes_postgresql_and_rabbitmq_and_the_same_seed_is_the_same_run() {
    let stack = Stack::full(2, &[("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0")]).await;
    let disorder = ["--events", "300", "--shuffle", "--poison", "10", "--orphans", "10", "--seed", "7"];
    let first = simulate(&stack, &disorder).await;
    assert!(first["passed"] == true, "{first:#}");
    assert!(first["refused"].as_u64() > Some(0), "there was poison: {first:#}");
    let again = simulate(&stack, &disorder).await;
    assert!(again["passed"] == true, "repeated requests change nothing: {again:#}");
    assert_eq!(again["acknowledged"], first["acknowledged"]);
    assert_eq!(again["checked_rows"], first["checked_rows"], "no row was added");
    stack.finish().await;
}

/// SQL makes the changes of a faulty worker.
#[tokio::test]
async fn fails_on_lost_doubled_or_altered_events() {
    let faults = [
        ("lost", "CREATE TRIGGER fault AFTER INSERT ON appointments WHEN NEW.careq_id % 7 = 3
                  BEGIN DELETE FROM appointments WHERE id = NEW.id; END"),
        ("doubled", "CREATE TRIGGER fault AFTER INSERT ON events WHEN NEW.kind = 'patient' AND NEW.careq_id % 7 = 3
                     BEGIN INSERT INTO events SELECT 'evt_twice' || event_id, clinic_id, 'twice' || idempotency_key,
                         content_digest, kind, careq_id, accepted_at, outcome, appointment_status, error_code,
                         error_message, waiting_for, settled_at, repeated_at FROM events WHERE event_id = NEW.event_id; END"),
        ("wrong", "CREATE TRIGGER fault AFTER INSERT ON patients WHEN NEW.careq_id % 7 = 3
                   BEGIN UPDATE patients SET city = 'elsewhere' WHERE id = NEW.id; END"),
    ];
    for (expected, fault) in faults {
        let stack = Stack::embedded(&[]).await;
        stack.database.connection.execute_unprepared(fault).await.unwrap();
        let report = simulate(&stack, &["--events", "150", "--seed", "5", "--settle-within", "2s"]).await;
        assert!(report["passed"] == false, "{expected}: {report:#}");
        assert!(report[expected].as_u64() > Some(0), "{expected}: {report:#}");
        let findings = report["findings"].to_string();
        assert!(!findings.contains("@example.com") && !findings.contains("Aarav"), "{findings}");
        stack.stop().await;
    }
}

/// Runs the simulator against an installation and returns its report, passed or not.
async fn simulate(stack: &Stack, arguments: &[&str]) -> Value {
    let url = format!("http://{}", stack.client.address());
    let common = ["simulate", "--json", "--url", &url, "--database-url", &stack.database.url];
    let arguments: Vec<_> = common.iter().chain(arguments).copied().collect();
    let clinics = format!("{CLINIC}={TOKEN},{OTHER_CLINIC}={OTHER_TOKEN}");
    let simulator =
        Process::start(&arguments, &[("CAREQ_CLINICS", &clinics), ("CAREQ_SEAL_KEYS", SEAL_KEYS)]);
    let ended = simulator.ended_within(Duration::from_mins(4)).await;
    let report: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|fault| panic!("no report ({fault}): {}{}", ended.stdout, ended.stderr));
    assert_eq!(
        ended.success,
        report["passed"] == true,
        "the exit status matches the report: {}",
        ended.stderr
    );
    report
}
