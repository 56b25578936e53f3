//! Tests of the layers, names and values of settings.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{BrokerKind, LogLevel, Process, load, load_for};

fn environment(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_defaults_are_complete() {
    let config = load(None, []).unwrap();
    assert_eq!((config.ingress.listen.port(), config.broker.kind()), (8_080, BrokerKind::Embedded));
    assert_eq!(config.database_url().expose_secret(), "sqlite://careq-data/careq.db");
    assert_eq!(
        (config.worker.concurrency, config.worker.batch_size, config.worker.parent_timeout_s),
        (2, 512, 900)
    );
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("careq.toml");
    let text = "[worker]\nconcurrency = 7\nbatch_size = 10\nsweep_interval_s = \"3\"\n[broker]\nprefix = 5\n";
    std::fs::write(&file, text).unwrap();
    let variables = [("CAREQ_WORKER_BATCH_SIZE", "99"), ("CAREQ_LOG_LEVEL", "Warn")];
    let config = load(Some(&file), environment(&variables)).unwrap();
    let others = (config.worker.sweep_interval_s, config.broker.prefix.as_str(), config.log.level);
    assert_eq!(others, (3, "5", LogLevel::Warn), "a number may be text, and a text a number");
    assert_eq!(
        (config.worker.concurrency, config.worker.batch_size, config.worker.parent_timeout_s),
        (7, 99, 900)
    );
}

#[test]
fn every_fault_is_reported_at_once_and_no_value_is_repeated() {
    let faults = load(
        Some(Path::new("there-is-no-such-file.toml")),
        environment(&[
            ("CAREQ_WORKER_CONCURRENCY", "many"),
            ("CAREQ_INGRESS_LISTEN", "a-secret"),
            ("CAREQ_CLINICS", "clinic=short-secret"),
            ("CAREQ_NOTHING", "x"),
            ("CAREQ_SYNC_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
        ]),
    )
    .unwrap_err()
    .to_string();
    for named in [
        "there-is-no-such-file.toml",
        "worker.concurrency",
        "ingress.listen",
        "clinics: entry 1",
        "CAREQ_NOTHING",
    ] {
        assert!(faults.contains(named), "{named} is not in {faults}");
    }
    assert!(faults.contains("5 fault(s)"), "{faults}");
    assert!(!faults.contains("secret"), "{faults}");
}

#[test]
fn telemetry_settings_that_cannot_work_are_refused() {
    let settings = [
        ("CAREQ_TELEMETRY_OTLP_ENDPOINT", "collector:4318"),
        ("CAREQ_TELEMETRY_SAMPLE_RATIO", "1.1"),
        ("CAREQ_TELEMETRY_MEASURE_INTERVAL_S", "1"),
    ];
    let faults = load(None, environment(&settings)).unwrap_err().to_string();
    for named in ["telemetry.otlp_endpoint", "telemetry.sample_ratio", "telemetry.measure_interval_s"] {
        assert!(faults.contains(named), "{named} is not in {faults}");
    }
}

#[test]
fn a_row_is_never_kept_longer_than_the_row_it_refers_to() {
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
        (&[("CAREQ_RETENTION_SCAN_INTERVAL_S", "0")], "retention.scan_interval_s"),
    ];
    for (settings, sentence) in rows {
        let faults = sentences(None, settings);
        assert!(faults.contains("1 fault(s)") && faults.contains(sentence), "{settings:?}: {faults}");
    }
    let for_ever =
        ["EVENTS", "BATCHES", "SETTLED_LETTERS", "AUDIT"].map(|name| format!("CAREQ_RETENTION_{name}_DAYS"));
    assert_eq!(sentences(None, &for_ever.each_ref().map(|name| (name.as_str(), "0"))), "");
}

#[test]
fn secrets_do_not_show_when_the_settings_are_printed() {
    let secrets = [
        ("CAREQ_DATABASE_URL", "postgres://careq:hidden@localhost/careq"),
        ("CAREQ_BROKER_URL", "amqps://careq:hidden@mq/%2f"),
        ("CAREQ_CLINICS", "clinic=hidden-hidden-hidden-hidden-hidden"),
    ];
    let printed = format!("{:?}", load(None, environment(&secrets)).unwrap());
    assert!(!printed.contains("hidden"), "{printed}");
}

const POSTGRESQL: (&str, &str) = ("CAREQ_DATABASE_URL", "postgres://careq:S3cret@127.0.0.1/careq");
const RABBITMQ: (&str, &str) = ("CAREQ_BROKER_URL", "amqp://careq:S3cret@127.0.0.1/%2f");
const KEYS: (&str, &str) = ("CAREQ_SEAL_KEYS", "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");

fn sentences(process: Option<Process>, settings: &[(&str, &str)]) -> String {
    let faults =
        load_for(process, None, environment(settings)).map(drop).map_err(|faults| faults.to_string());
    faults.err().unwrap_or_default()
}

#[test]
fn a_set_up_that_would_split_the_events_is_refused() {
    for process in [Process::Ingress, Process::Worker] {
        assert_eq!(sentences(Some(process), &[POSTGRESQL, RABBITMQ, KEYS]), "");
        for settings in [&[KEYS][..], &[POSTGRESQL, KEYS]] {
            assert!(sentences(Some(process), settings).contains("needs RabbitMQ"), "{settings:?}");
        }
    }
    let shared = "database.url (CAREQ_DATABASE_URL) an SQLite file or nothing";
    for process in
        [Process::Command, Process::Standalone, Process::Ingress, Process::Worker, Process::Console]
    {
        for database in ["", "sqlite:///var/lib/careq.db", "sqlite://careq.db"] {
            let faults = sentences(Some(process), &[RABBITMQ, KEYS, ("CAREQ_DATABASE_URL", database)]);
            assert!(
                faults.contains(shared) && faults.contains("1 fault(s)"),
                "{process:?} {database}: {faults}"
            );
        }
    }
    assert_eq!(sentences(Some(Process::Standalone), &[POSTGRESQL, KEYS]), "");
    assert_eq!(sentences(Some(Process::Console), &[POSTGRESQL, KEYS]), "");
    assert_eq!(sentences(Some(Process::Command), &[POSTGRESQL]), "", "a command that seals nothing");
    assert!(sentences(Some(Process::Console), &[POSTGRESQL]).contains("there is no key to seal with"));
}

/// One error of each kind, in one start.
#[test]
fn all_faults_are_reported_together() {
    let faults = sentences(
        Some(Process::Worker),
        &[
            ("CAREQ_DATABASE_URL", "postgres://careq:S3cret@db/careq"),
            ("CAREQ_BROKER_URL", "amqp://careq:S3cret@mq/%2f"),
            ("CAREQ_BROKER_PREFIX", "\"careq\""),
            ("CAREQ_INGRESS_LISTEN", "localhost:8080"),
            ("CAREQ_WORKER_CONCURRENCY", "0"),
            ("CAREQ_WORKER_BATHC", "1"),
            ("CAREQ_LOG_LEVEL", "S3cret"),
            ("CAREQ_SEAL_KEYS", "S3cret"),
        ],
    );
    for named in [
        "8 fault(s)",
        "log.level has a value of the wrong kind; it must be like its default info",
        "database.allow_cleartext = true",
        "broker.allow_cleartext = true",
        "broker.prefix stands in quotes",
        "ingress.listen has a value of the wrong kind; it must be an address such as 127.0.0.1:8080; a name",
        "worker.concurrency must be from 1 to 64",
        "CAREQ_WORKER_BATHC names no setting",
        "seal.keys must be NAME:KEY",
    ] {
        assert!(faults.contains(named), "{named} is not in {faults}");
    }
    assert!(!faults.contains("S3c"), "{faults}");
}

#[test]
fn a_server_beyond_this_machine_needs_verified_tls() {
    let database = |url: &str| sentences(None, &[("CAREQ_DATABASE_URL", url)]);
    for host in ["db", "10.0.0.1", "[2001:db8::1]", "localhost.example"] {
        for parameters in
            ["", "?sslmode=disable", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-ca"]
        {
            let faults = database(&format!("postgres://careq:S3cret@{host}/careq{parameters}"));
            assert!(faults.contains("sslmode=verify-full"), "{host} {parameters}: {faults}");
        }
        assert_eq!(
            database(&format!("postgres://careq:S3cret@{host}/careq?sslmode=verify-full&sslrootcert=ca.pem")),
            ""
        );
    }
    // The parameter wins over the host.
    assert!(database("postgres://careq@127.0.0.1/careq?host=db").contains("sslmode=verify-full"));
    for url in [
        "postgres://careq@localhost/careq",
        "postgres://careq@127.0.0.2:5433/careq",
        "postgres://careq@[::1]/careq",
        "postgres:///careq?host=/run/postgresql",
        "postgres://careq@%2Frun%2Fpostgresql/careq",
    ] {
        assert_eq!(database(url), "", "{url}");
    }
    let allowed =
        [("CAREQ_DATABASE_URL", "postgres://careq@db/careq"), ("CAREQ_DATABASE_ALLOW_CLEARTEXT", "true")];
    assert!(load(None, environment(&allowed)).unwrap().is_database_in_clear());

    let broker = |url: &str| sentences(None, &[POSTGRESQL, ("CAREQ_BROKER_URL", url)]);
    for url in ["amqp://mq", "amqp://10.0.0.1:5672/%2f"] {
        assert!(broker(url).contains("broker.url leads beyond this machine in clear"), "{url}");
    }
    assert!(
        broker("amqps://careq:a@one/%2f,amqp://careq:S3cret@two/%2f").contains("cannot be read"),
        "a list"
    );
    for url in ["amqp://localhost", "amqp://127.0.0.1:5672/%2f", "amqps://careq:S3cret@mq:5671/%2f"] {
        assert_eq!(broker(url), "", "{url}");
    }
    assert!(broker("amqps://careq:S3cret@[2001:db8::1]/%2f").contains("takes no IPv6 address"));
    let management = [POSTGRESQL, RABBITMQ, ("CAREQ_BROKER_MANAGEMENT_URL", "http://careq:S3cret@mq:15672")];
    assert!(sentences(None, &management).contains("broker.management_url leads beyond this machine"));
    let allowed = [POSTGRESQL, ("CAREQ_BROKER_URL", "amqp://mq"), ("CAREQ_BROKER_ALLOW_CLEARTEXT", "true")];
    assert!(load(None, environment(&allowed)).unwrap().is_broker_in_clear());
    for (url, is_in_clear) in [
        ("http://mq:15672", true),
        ("https://mq:15671", false),
        ("http://127.0.0.1:15672", false),
        ("none", false),
    ] {
        let allowed = ("CAREQ_BROKER_ALLOW_CLEARTEXT", "true");
        let settings = [POSTGRESQL, RABBITMQ, ("CAREQ_BROKER_MANAGEMENT_URL", url), allowed];
        let config = load(None, environment(&settings)).unwrap();
        assert_eq!(config.is_management_in_clear(), is_in_clear, "{url}");
    }
}

#[test]
fn an_ambiguous_url_is_refused_without_being_shown() {
    for password in
        ["S3cret/abc", "x@S3cret/abc", "S3c?ret", "S3cret#1", "12/S3cret", "S3cret\\x", "S3cret\n", "S3 cret"]
    {
        for (setting, scheme) in [
            ("CAREQ_BROKER_URL", "amqp"),
            ("CAREQ_BROKER_URL", "amqps"),
            ("CAREQ_DATABASE_URL", "postgres"),
            ("CAREQ_BROKER_MANAGEMENT_URL", "http"),
            ("CAREQ_TELEMETRY_OTLP_ENDPOINT", "https"),
        ] {
            for host in ["localhost/x", "localhost:5672/x", "localhost:port/x", "[::1/x"] {
                let url = format!("{scheme}://careq:{password}@{host}");
                // The database and the broker must fit.
                let others = if setting == "CAREQ_BROKER_URL" { vec![POSTGRESQL] } else { Vec::new() };
                let settings: Vec<_> = others.into_iter().chain([(setting, url.as_str())]).collect();
                let faults = sentences(None, &settings);
                // The driver itself percent-encodes a blank in a password.
                assert!(
                    faults.contains("1 fault(s)") || password.contains(' ') && host.starts_with("localhost"),
                    "{url:?}: {faults}"
                );
                for piece in ["S3", "cret", "abc"] {
                    assert!(!faults.contains(piece), "{url:?}: {faults}");
                }
            }
        }
    }
    for url in
        ["postgres://careq@localhost/careq?pasword=S3cret", "postgres://careq@localhost/careq?sslmode=S3cret"]
    {
        let faults = sentences(None, &[("CAREQ_DATABASE_URL", url)]);
        assert!(faults.contains("1 fault(s)") && !faults.contains("S3cret"), "{url}: {faults}");
    }
    for url in [
        "sqlite::memory:",
        "sqlite://careq.db?mode=memory",
        "sqlite://",
        "POSTGRES://careq@localhost/careq",
        "mysql://x",
    ] {
        assert!(
            sentences(Some(Process::Command), &[("CAREQ_DATABASE_URL", url)]).contains("1 fault(s)"),
            "{url}"
        );
    }
}

#[test]
fn a_clinic_is_listed_once_and_its_token_has_no_quotes() {
    let token = "S3cret-".repeat(5);
    for (list, sentence) in [
        (format!("one={token},one={token}x"), "entry 2 names a clinic that stands there already"),
        (format!("one=\"{token}\",two={token}"), "entry 1 must be clinic_id=token"),
        (format!("one={token}é"), "entry 1 must be clinic_id=token"),
        (format!("'one={token}'"), "clinics stands in quotes"),
    ] {
        let faults = sentences(None, &[("CAREQ_CLINICS", &list)]);
        assert!(
            faults.contains(sentence) && faults.contains("1 fault(s)") && !faults.contains("S3cret"),
            "{faults}"
        );
    }
    assert_eq!(
        load(None, environment(&[("CAREQ_CLINICS", &format!(" one={token} ,\n two={token}\n"))]))
            .unwrap()
            .clinics
            .len(),
        2
    );
}

/// A list in the file must not be taken for no clinics.
#[test]
fn clinics_in_another_form_than_text_are_refused() {
    let token = "S3cret-".repeat(5);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("careq.toml");
    for (text, sentence) in [
        (format!("clinics = [\"one={token}\"]"), "clinics must be one text"),
        (format!("[[clinics]]\none = \"{token}\""), "clinics must be one text"),
        (format!("[clinics]\none = \"{token}\""), "unknown setting `clinics.one`"),
        ("clinics = 5".to_owned(), "entry 1 must be clinic_id=token"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let faults = load(Some(&file), []).unwrap_err().to_string();
        assert!(
            faults.contains(sentence) && faults.contains("1 fault(s)") && !faults.contains("S3cret"),
            "{text}: {faults}"
        );
    }
    std::fs::write(&file, format!("clinics = \"one={token}\"")).unwrap();
    assert_eq!(load(Some(&file), []).unwrap().clinics.len(), 1);
}
