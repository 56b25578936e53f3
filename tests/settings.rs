//! Configuration errors are reported at the start, with sentences that say what to do.

use crate::harness::{Process, SEAL_KEYS, amqp_url, fresh_prefix};

/// Arguments, settings, and texts that the operator must see.
type Row<'row> = (&'row [&'row str], &'row [(&'row str, &'row str)], &'row [&'row str]);

/// Configurations that fail before any server is needed.
const ROWS: [Row; 13] = [
    (&[], &[("CAREQ_INGRESS_LISTEM", "127.0.0.1:0")], &["CAREQ_INGRESS_LISTEM names no setting"]),
    (
        &[],
        &[
            ("CAREQ_WORKER_BATCH_SIZE", "0"),
            ("CAREQ_BROKER_URL", "http://x"),
            ("CAREQ_INGRESS_LISTEN", "nowhere"),
        ],
        &["ingress.listen"],
    ),
    (
        &[],
        &[("CAREQ_WORKER_BATCH_SIZE", "0"), ("CAREQ_BROKER_URL", "http://x")],
        &[
            "2 fault(s)",
            "worker.batch_size must be from 1 to 1000",
            "broker.url must be `embedded` or begin with amqp://",
        ],
    ),
    (&[], &[("CAREQ_BROKER_PARTITIONS", "0")], &["broker.partitions"]),
    (&[], &[("CAREQ_BROKER_PARTITIONS", "257")], &["broker.partitions must be from 1 to 256"]),
    (&[], &[("CAREQ_BROKER_PARTITIONS", "many")], &["broker.partitions"]),
    (&[], &[("CAREQ_CLINICS", "clinic_abc=short")], &["at least 32 characters"]),
    (&["ingress"], &[], &["`careq-sync ingress` needs RabbitMQ", "CAREQ_BROKER_URL"]),
    (&["worker"], &[], &["`careq-sync worker` needs RabbitMQ"]),
    (
        &["standalone"],
        &[
            ("CAREQ_BROKER_URL", "amqp://guest:a-secret@127.0.0.1:1/%2f"),
            ("CAREQ_DATABASE_URL", "postgres://careq:a-secret@127.0.0.1:1/careq"),
            ("CAREQ_SEAL_KEYS", SEAL_KEYS),
            ("CAREQ_DATABASE_CONNECT_TIMEOUT_S", "1"),
        ],
        &["cannot be reached: connection refused"],
    ),
    (
        &["clinic", "add", "clinic_abc"],
        &[("CAREQ_BROKER_URL", "amqp://careq:x@a-secret/abc@127.0.0.1"), ("CAREQ_PORT", "tcp://10.0.0.1:80")],
        &["broker.url cannot be read as an AMQP URL", "percent-encoded"],
    ),
    (
        &[],
        &[("CAREQ_SEAL_KEYS", "a-secret"), ("CAREQ_INGRESS_TRUSTED_PROXIES", "a-secret")],
        &["ingress.trusted_proxies", "networks such as 203.0.113.0/24"],
    ),
    (&["--config", "missing.toml"], &[], &["missing.toml cannot be read"]),
];

#[tokio::test]
async fn every_error_is_reported_with_its_remedy() {
    refused(&ROWS).await;
    let (broker, prefix) = (amqp_url(), fresh_prefix());
    refused(&[
        (
            &["worker"],
            &[
                ("CAREQ_BROKER_URL", &broker),
                ("CAREQ_BROKER_PREFIX", &prefix),
                ("CAREQ_SEAL_KEYS", SEAL_KEYS),
            ],
            &[
                "an SQLite file or nothing: every process would store into a file of its own",
                "Set database.url to the PostgreSQL",
            ],
        ),
        (
            &["worker"],
            &[
                ("CAREQ_BROKER_URL", &broker),
                ("CAREQ_BROKER_PREFIX", &prefix),
                ("CAREQ_DATABASE_URL", "postgres://careq:a-secret@127.0.0.1:1/careq"),
                ("CAREQ_DATABASE_CONNECT_TIMEOUT_S", "1"),
                ("CAREQ_SEAL_KEYS", SEAL_KEYS),
            ],
            &[
                "the database postgres://careq@127.0.0.1:1/careq cannot be reached: connection refused",
                "CAREQ_DATABASE_URL",
            ],
        ),
        (
            &["worker"],
            &[
                ("CAREQ_BROKER_URL", &broker),
                ("CAREQ_DATABASE_URL", "postgres://careq:a-secret@127.0.0.1:1/careq"),
            ],
            &["there is no key to seal with", "CAREQ_SEAL_KEYS", "openssl rand -base64 32"],
        ),
    ])
    .await;
}

async fn refused(rows: &[Row<'_>]) {
    for &(arguments, settings, expected) in rows {
        let ended = Process::run(arguments, settings).await;
        assert!(!ended.success, "{arguments:?} {settings:?}");
        for sentence in expected {
            assert!(ended.stderr.contains(sentence), "{sentence:?} is not in:\n{}", ended.stderr);
        }
        assert!(!ended.stderr.contains("a-secret"), "a password is shown:\n{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[tokio::test]
async fn an_unknown_setting_in_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("careq.toml");
    std::fs::write(&file, "[ingress]\nlissten = \"127.0.0.1:0\"\n").unwrap();
    let ended = Process::run(&["--config", file.to_str().unwrap()], &[]).await;
    assert!(!ended.success);
    assert!(ended.stderr.contains("unknown setting `ingress.lissten`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("ingress.listen,"), "{}", ended.stderr);
}

#[tokio::test]
async fn several_processes_bring_the_tables_up_to_date_at_once() {
    use crate::harness::{Backend, FreshDatabase};
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = FreshDatabase::empty(backend).await;
        let settings = [("CAREQ_DATABASE_URL", database.url.as_str())];
        let (a, b, c) = tokio::join!(
            Process::run(&["migrate"], &settings),
            Process::run(&["migrate"], &settings),
            Process::run(&["migrate"], &settings),
        );
        for ended in [a, b, c] {
            assert!(ended.success, "{backend:?}: {}", ended.stderr);
        }
    }
}
