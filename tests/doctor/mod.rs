//! `careq-sync doctor` on set-ups with one defect each, and on healthy ones. It reports the defect with its remedy
//! and changes nothing.

mod breaks;
mod set_up;

use std::collections::BTreeSet;

use careq_shared::entities;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::Value;

use crate::harness::{Backend, FreshDatabase, Process, SEAL_KEYS, until};
use crate::servers::{Postgresql, RabbitMq, Servers};
use breaks::Break;
use set_up::{SECRET, SetUp};

/// The defect, the codes of all findings, and a text that the operator must see.
type Row = (Break, &'static [&'static str], &'static str);

const TABLE: [Row; 40] = [
    (Break::UnknownSetting, &["settings.fault"], "config.default.toml documents every one"),
    (
        Break::ExposedPorts,
        &["settings.ingress_exposed", "settings.operations_exposed"],
        "name it in ingress.trusted_proxies",
    ),
    (
        Break::InClear,
        &["settings.database_in_clear", "settings.broker_in_clear", "settings.management_in_clear"],
        "use https:// in broker.management_url",
    ),
    (Break::KeyFileOpenToOthers, &["keys.open_to_others"], "chmod 600"),
    (Break::NoKeys, &["keys.unusable"], "give every process the keys"),
    (Break::KeyUnderItsOldName, &["sealed.unopened", "clinics.refused"], "take the key from the copy"),
    (Break::KeyLacking, &["sealed.unknown_key", "clinics.refused"], "add the key test to seal.keys"),
    (Break::ClockAhead, &["clock.database_differs", "clock.broker_differs"], "timedatectl"),
    (Break::RoleWithoutInsert, &["permissions.tables"], "GRANT INSERT ON admins, appointments,"),
    (Break::RoleWithoutDelete, &["permissions.tables"], "GRANT DELETE ON audit_letters, batches,"),
    (Break::OtherEncoding, &["server.encoding_not_utf8"], "ENCODING 'UTF8' TEMPLATE template0"),
    (Break::TablesBehind, &["tables.behind"], "careq-sync migrate"),
    (Break::TablesNewer, &["tables.newer"], "upgrade this program"),
    (Break::CommitsNotWaitedFor, &["durability.synchronous_commit_off"], "synchronous_commit = on"),
    (Break::UnknownRole, &["database.login_refused"], "user and password in database.url"),
    (Break::DatabaseMissing, &["database.missing"], "createdb"),
    (Break::RoleWithoutConnections, &["database.full"], "CONNECTION LIMIT"),
    (Break::RoleWithoutAccess, &["database.login_refused"], "GRANT CONNECT ON DATABASE"),
    (Break::SessionSettingUnknown, &["database.setting_unknown"], "PostgreSQL to 12"),
    (Break::SessionSettingWrong, &["database.refused"], "the server's message says why"),
    (Break::TransactionLeftOpen, &["transactions.left_open"], "SELECT pg_terminate_backend("),
    (Break::TransactionOpenForDays, &["transactions.left_open"], "SELECT pg_terminate_backend("),
    (Break::PreparedTransaction, &["transactions.left_open"], "ROLLBACK PREPARED 'left'"),
    (Break::ParametersLogged, &["logging.parameters"], "SET log_parameter_max_length = 0"),
    (Break::ParametersLoggedOnError, &["logging.parameters"], "SET log_parameter_max_length_on_error = 0"),
    (Break::TokenExpired, &["clinics.expired"], "careq-sync clinic rotate clinic_abc token"),
    (Break::EverythingHalfOpen, &["database.silent", "broker.silent"], "a firewall drops"),
    (Break::BrokerPassword, &["broker.login_refused"], "check user and password in broker.url"),
    (Break::VirtualHost, &["broker.virtual_host_refused"], "rabbitmqctl add_vhost nowhere"),
    (Break::UserThatMayNotWrite, &["message.forbidden"], "rabbitmqctl set_permissions -p '/'"),
    (Break::ClassicQueue, &["queues.differ"], "rabbitmqctl delete_queue"),
    (Break::LeftoverPartition, &["queues.leftover"], ".bulk.02` (docs/guide/scale-out.md)"),
    (Break::PartitionWithoutConsumer, &["queues.without_consumer"], "restart the workers one by one"),
    (Break::DifferentPartitions, &["processes.partitions_differ"], "CAREQ_BROKER_PARTITIONS"),
    (Break::IdleConsumers, &["processes.idle_consumers"], "lower worker.concurrency"),
    (Break::MemoryAlarm, &["message.blocked"], "rabbitmq-diagnostics alarms"),
    (Break::PolicyThatExpiresMessages, &["policies.message_ttl"], "rabbitmqctl clear_policy -p '/' 'broken'"),
    (
        Break::PolicyThatDropsTheOldest,
        &["policies.max_length", "policies.overflow"],
        "rabbitmqctl clear_policy",
    ),
    (Break::OperatorPolicy, &["policies.expires"], "rabbitmqctl clear_operator_policy -p '/' 'broken'"),
    (Break::NoManagement, &["management.unreachable"], "rabbitmqctl list_operator_policies -p '/'"),
];

#[tokio::test]
async fn every_broken_set_up_is_named_with_its_remedy() {
    let (postgresql, rabbitmq) = tokio::join!(Postgresql::start(), RabbitMq::start_with_management());
    let mut servers = Servers { postgresql, rabbitmq };
    with_processes_all_is_well(&servers).await;
    for (broken, codes, remedy) in TABLE {
        let mut set_up = SetUp::new(&servers).await;
        broken.strike(&mut set_up, &servers).await;
        assert_findings(&set_up, &format!("{broken:?}"), codes, remedy).await;
        broken.undone(&servers).await;
    }
    a_role_that_cannot_alter_the_audit_log(&servers).await;
    an_encoded_password(&servers).await;
    let set_up = SetUp::new(&servers).await;
    servers.postgresql.stop().await;
    servers.postgresql.start_in_recovery().await;
    assert_findings(&set_up, "a replica", &["server.read_only"], "name the primary").await;
    let database = set_up.database(&servers).await;
    database.execute_unprepared("ALTER SYSTEM SET hot_standby = off").await.unwrap();
    servers.postgresql.stop().await;
    servers.postgresql.start_without_sessions().await;
    assert_findings(&set_up, "a start", &["database.starting"], "wait until PostgreSQL").await;
}

/// Asserts the exact findings, in JSON and in the text for people.
async fn assert_findings(set_up: &SetUp, what: &str, codes: &[&str], remedy: &str) {
    let report = set_up.doctor().await;
    let findings = report.findings();
    // The tests' role owns the tables; see `a_role_that_cannot_alter_the_audit_log`.
    let is_bad =
        |finding: &&Value| finding["verdict"] != "well" && finding["code"] != "permissions.audit_log";
    let bad: Vec<_> = findings.iter().filter(is_bad).collect();
    let found: BTreeSet<_> = bad.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(found, codes.iter().copied().collect(), "{what}: {bad:#?}");
    let is_said = |finding: &&Value| finding["do"].as_str().unwrap().contains(remedy);
    assert!(bad.iter().any(is_said), "{what}: {remedy:?} is not in {bad:#?}");
    assert!(bad.iter().all(|finding| finding["means"].is_string()), "{what}: {bad:#?}");
    let is_any = |verdict: &str| bad.iter().any(|finding| finding["verdict"] == verdict);
    let worst = if is_any("error") {
        1
    } else if is_any("not_examined") {
        2
    } else {
        0
    };
    assert_eq!(report.exit_status, worst, "{what}: {bad:#?}");
    assert!(!report.printed.contains(SECRET), "{what}: a secret is shown:\n{}", report.printed);

    let for_people = set_up.run(&["doctor"]).await;
    assert_eq!(for_people.exit_status, Some(worst), "{what}: {}", for_people.stderr);
    assert!(for_people.stdout.contains(remedy), "{what}: {}", for_people.stdout);
    let printed = for_people.stdout + &for_people.stderr;
    assert!(!printed.contains(SECRET), "{what}: a secret is shown:\n{printed}");
}

/// The doctor warns about a role that owns the tables. It does not warn about a role that can only insert audit
/// entries, which needs no further permission.
async fn a_role_that_cannot_alter_the_audit_log(servers: &Servers) {
    let mut set_up = SetUp::new(servers).await;
    let found = async |set_up: &SetUp| {
        let findings = set_up.doctor().await.findings();
        findings
            .into_iter()
            .find(|finding| finding["code"].as_str().unwrap().starts_with("permissions"))
            .unwrap()
    };
    let owner = found(&set_up).await;
    assert_eq!(owner["code"], "permissions.audit_log");
    assert!(owner["do"].as_str().unwrap().contains("OWNER TO careq_owner"), "{owner}");
    let role = format!("writer_of_{}", set_up.database_name);
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}; GRANT USAGE, CREATE ON \
         SCHEMA public TO {role}"
    );
    let database = set_up.database(servers).await;
    database.execute_unprepared(&grants).await.unwrap();
    set_up.set("CAREQ_DATABASE_URL", set_up.database_url(servers, &role));
    let warned = found(&set_up).await;
    let remedy = warned["do"].as_str().unwrap();
    database.execute_unprepared(remedy).await.unwrap();
    assert_eq!(found(&set_up).await["code"], "permissions.well", "{remedy}");
    let added = set_up.run(&["clinic", "add", "clinic_of_the_writer"]).await;
    assert_eq!(added.exit_status, Some(0), "{}", added.stderr);
}

/// AMQP and the management API use the same password. Decoded twice, its `%41` would be another `A`.
async fn an_encoded_password(servers: &Servers) {
    let mut set_up = SetUp::new(servers).await;
    let control = async |arguments: &[&str]| drop(servers.rabbitmq.control(arguments).await);
    control(&["add_user", "encoded", &format!("A%41/{SECRET}")]).await;
    control(&["set_user_tags", "encoded", "management"]).await;
    control(&["set_permissions", "encoded", ".*", ".*", ".*"]).await;
    let url = format!("amqp://encoded:%41%2541%2F{SECRET}@{}/%2f", servers.rabbitmq.address());
    set_up.set("CAREQ_BROKER_URL", url);
    set_up.is_well("with an encoded password", &["message.well", "policies.well"]).await;
}

/// A running installation, and the same installation before any process runs.
async fn with_processes_all_is_well(servers: &Servers) {
    let set_up = SetUp::new(servers).await;
    let queues = servers.rabbitmq.control(&["-q", "list_queues"]).await;
    set_up
        .is_well(
            "before anything runs",
            &[
                "settings.well",
                "transactions.well",
                "processes.none",
                "queues.well",
                "message.well",
                "policies.well",
            ],
        )
        .await;
    assert_eq!(
        servers.rabbitmq.control(&["-q", "list_queues"]).await,
        queues,
        "the doctor leaves no queue behind"
    );

    let settings = set_up.settings();
    let ingress = Process::start(&["ingress"], &settings);
    let of_worker: Vec<_> =
        settings.iter().copied().chain([("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0")]).collect();
    let worker = Process::start(&["worker"], &of_worker);
    ingress.logged("the ingress takes requests").await;
    worker.logged("the worker takes events").await;
    until("the worker's consumers are registered", || async {
        let report = set_up.doctor().await;
        // One for each of the two live partitions, and one of the dead queue.
        let reads =
            |finding: &Value| finding["seen"].as_str().unwrap().contains("0 messages and 3 consumers");
        report.findings().iter().any(reads).then_some(())
    })
    .await;
    let codes =
        ["clock.database_agrees", "clock.broker_agrees", "sealed.well", "processes.well", "queues.well"];
    set_up.is_well("at work", &codes).await;
    assert!(ingress.stop().await.success && worker.stop().await.success);
}

/// The doctor checks the permissions of every table.
#[tokio::test]
async fn every_table_is_listed() {
    let database = FreshDatabase::new(Backend::Sqlite).await;
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let names = Statement::from_string(DbBackend::Sqlite, names);
    let rows = database.connection.query_all(names).await.unwrap();
    let made: BTreeSet<String> = rows.iter().map(|row| row.try_get_by(0).unwrap()).collect();
    let listed = entities::tables().into_iter().chain(["seaql_migrations".to_owned()]);
    assert_eq!(made, listed.collect());
}

#[tokio::test]
async fn the_embedded_default_is_well_before_its_first_start_and_at_work() {
    let set_up = SetUp::embedded();
    set_up.is_well("before its first start", &["keys.not_made_yet", "data_folder.not_made_yet"]).await;
    assert_eq!(std::fs::read_dir(set_up.folder()).unwrap().count(), 0, "the doctor creates no file");

    let process = Process::start(&[], &set_up.settings());
    process.logged("careq-sync takes requests").await;
    set_up.is_well("at work", &["keys.well", "database_file.well", "tables.well"]).await;
    assert!(process.stop().await.success);

    std::fs::remove_file(set_up.data_folder().join("seal.keys")).unwrap();
    assert_findings(&set_up, "its keys are lost", &["keys.lost"], "put the file back").await;
    assert!(!set_up.data_folder().join("seal.keys").exists(), "the doctor creates no key");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let mut set_up = SetUp::embedded();
    set_up.set("CAREQ_SEAL_KEYS", SEAL_KEYS.to_owned());
    let file = set_up.folder().join("notes");
    std::fs::write(&file, "no database").unwrap();
    set_up.set("CAREQ_DATABASE_URL", format!("sqlite://{}", file.display()));
    let remedy = "whether the file is an SQLite database";
    assert_findings(&set_up, "no database", &["database.file_unusable"], remedy).await;
}
