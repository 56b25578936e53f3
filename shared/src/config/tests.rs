//! Layers, names and values of settings.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{BrokerKind, load};

fn environment(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_defaults_are_complete() {
    let config = load(None, []).unwrap();
    assert_eq!(config.ingress.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.broker.kind(), BrokerKind::Embedded);
    assert_eq!(config.database_url().expose_secret(), "sqlite://careq-data/careq.db");
    assert_eq!((config.worker.lanes, config.worker.batch, config.worker.park_for_s), (2, 512, 900));
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("careq.toml");
    std::fs::write(&file, "[worker]\nlanes = 7\nbatch = 10\n").unwrap();
    let config = load(Some(&file), environment(&[("CAREQ_WORKER_BATCH", "99")])).unwrap();
    assert_eq!((config.worker.lanes, config.worker.batch, config.worker.park_for_s), (7, 99, 900));
}

#[test]
fn every_fault_is_reported_at_once_and_no_value_is_repeated() {
    let faults = load(
        Some(Path::new("there-is-no-such-file.toml")),
        environment(&[
            ("CAREQ_WORKER_LANES", "many"),
            ("CAREQ_INGRESS_LISTEN", "a-secret"),
            ("CAREQ_CLINICS", "clinic=short-secret"),
            ("CAREQ_NOTHING", "x"),
            ("CAREQ_SYNC_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
        ]),
    )
    .unwrap_err()
    .to_string();
    for named in
        ["there-is-no-such-file.toml", "worker.lanes", "ingress.listen", "clinics: entry 1", "CAREQ_NOTHING"]
    {
        assert!(faults.contains(named), "{named} is not in {faults}");
    }
    assert!(faults.contains("5 fault(s)"), "{faults}");
    assert!(!faults.contains("secret"), "{faults}");
}

#[test]
fn what_cannot_work_in_telemetry_is_refused() {
    let settings = [
        ("CAREQ_TELEMETRY_OTLP_ENDPOINT", "collector:4318"),
        ("CAREQ_TELEMETRY_SAMPLE_RATIO", "1.1"),
        ("CAREQ_TELEMETRY_MEASURE_EVERY_S", "1"),
    ];
    let faults = load(None, environment(&settings)).unwrap_err().to_string();
    for named in ["telemetry.otlp_endpoint", "telemetry.sample_ratio", "telemetry.measure_every_s"] {
        assert!(faults.contains(named), "{named} is not in {faults}");
    }
}

#[test]
fn what_is_referred_to_is_never_forgotten_first() {
    let faults = |settings: &[(&str, &str)]| {
        load(None, environment(settings)).map(drop).map_err(|faults| faults.to_string())
    };
    let rows: [(&[(&str, &str)], &str); 6] = [
        (
            &[("CAREQ_RETENTION_EVENTS_DAYS", "6"), ("CAREQ_RETENTION_BATCHES_DAYS", "5")],
            "must be at least 7",
        ),
        (&[("CAREQ_RETENTION_BATCHES_DAYS", "90")], "retention.batches_days must be less"),
        (
            &[("CAREQ_RETENTION_BATCHES_DAYS", "0"), ("CAREQ_RETENTION_SETTLED_LETTERS_DAYS", "0")],
            "retention.batches_days must be less",
        ),
        (
            &[("CAREQ_RETENTION_SETTLED_LETTERS_DAYS", "59")],
            "retention.settled_letters_days must be at least",
        ),
        (&[("CAREQ_RETENTION_AUDIT_DAYS", "89")], "retention.audit_days must be at least"),
        (&[("CAREQ_RETENTION_LOOK_EVERY_S", "0")], "retention.look_every_s"),
    ];
    for (settings, sentence) in rows {
        let faults = faults(settings).unwrap_err();
        assert!(faults.contains("1 fault(s)") && faults.contains(sentence), "{settings:?}: {faults}");
    }
    let for_ever =
        ["EVENTS", "BATCHES", "SETTLED_LETTERS", "AUDIT"].map(|name| format!("CAREQ_RETENTION_{name}_DAYS"));
    faults(&for_ever.each_ref().map(|name| (name.as_str(), "0"))).unwrap();
}

#[test]
fn secrets_do_not_show_when_the_settings_are_printed() {
    let secrets = [
        ("CAREQ_DATABASE_URL", "postgres://careq:hidden@db/careq"),
        ("CAREQ_BROKER_URL", "amqp://careq:hidden@mq/%2f"),
        ("CAREQ_CLINICS", "clinic=hidden-hidden-hidden-hidden-hidden"),
    ];
    let printed = format!("{:?}", load(None, environment(&secrets)).unwrap());
    assert!(!printed.contains("hidden"), "{printed}");
}
