//! Defects of a set-up, each applied to a healthy one.

use std::net::TcpListener;

use careq_shared::broker::{Broker as _, Queue};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, TransactionTrait as _};
use tokio::task::JoinSet;

use super::set_up::{SECRET, SetUp, restrict};
use crate::harness::{CLINIC, clock_library, until};
use crate::servers::{RabbitMq, Servers, free_port};

/// Shows the transactions of other sessions as two days older. A changed `now()` would make the doctor's own transaction as old.
const OLDER_TRANSACTIONS: &str = "CREATE VIEW public.pg_stat_activity AS
    SELECT pid, datname, usename, backend_type, state, state_change,
        CASE pid WHEN pg_backend_pid() THEN xact_start ELSE xact_start - interval '2 days' END AS xact_start
    FROM pg_catalog.pg_stat_activity";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    UnknownSetting,
    ExposedPorts,
    InClear,
    KeyFileOpenToOthers,
    NoKeys,
    KeyUnderItsOldName,
    KeyLacking,
    ClockAhead,
    RoleWithoutInsert,
    RoleWithoutDelete,
    OtherEncoding,
    TablesBehind,
    TablesNewer,
    CommitsNotWaitedFor,
    UnknownRole,
    DatabaseMissing,
    RoleWithoutConnections,
    RoleWithoutAccess,
    SessionSettingUnknown,
    SessionSettingWrong,
    TransactionLeftOpen,
    TransactionOpenForDays,
    PreparedTransaction,
    ParametersLogged,
    ParametersLoggedOnError,
    TokenExpired,
    EverythingHalfOpen,
    BrokerPassword,
    VirtualHost,
    UserThatMayNotWrite,
    ClassicQueue,
    LeftoverPartition,
    PartitionWithoutConsumer,
    DifferentPartitions,
    IdleConsumers,
    MemoryAlarm,
    PolicyThatExpiresMessages,
    PolicyThatDropsTheOldest,
    OperatorPolicy,
    NoManagement,
}

impl Break {
    /// Applies the defect.
    pub(crate) async fn strike(self, set_up: &mut SetUp, servers: &Servers) {
        match self {
            Self::UnknownSetting => set_up.set("CAREQ_INGRESS_LISTEM", SECRET.to_owned()),
            Self::ExposedPorts => {
                set_up.set("CAREQ_INGRESS_LISTEN", "192.0.2.1:8080".to_owned());
                set_up.set("CAREQ_OPERATIONS_LISTEN", "[::]:8081".to_owned());
            }
            Self::InClear => in_clear(set_up, servers),
            Self::KeyFileOpenToOthers => restrict(&set_up.key_file(), 0o644),
            Self::NoKeys => set_up.set("CAREQ_SEAL_KEY_FILE", String::new()),
            Self::KeyUnderItsOldName => {
                set_up.write_keys("test:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=");
            }
            Self::KeyLacking => set_up.write_keys("other:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="),
            Self::ClockAhead => move_clock(set_up),
            Self::EverythingHalfOpen => half_open(set_up),
            Self::UnknownRole => {
                set_up.set("CAREQ_DATABASE_URL", set_up.database_url(servers, &format!("nobody:{SECRET}")));
            }
            Self::DatabaseMissing => {
                let url = set_up.database_url(servers, "careq");
                set_up.set("CAREQ_DATABASE_URL", url.replace(&set_up.database_name, "nowhere"));
            }
            Self::SessionSettingUnknown => session_setting(set_up, servers, "no_such_setting", "on"),
            Self::SessionSettingWrong => session_setting(set_up, servers, "work_mem", "much"),
            Self::NoManagement => {
                set_up.set(
                    "CAREQ_BROKER_MANAGEMENT_URL",
                    format!("http://me:{SECRET}@127.0.0.1:{}", free_port()),
                );
            }
            Self::BrokerPassword => {
                set_up.set(
                    "CAREQ_BROKER_URL",
                    format!("amqp://guest:{SECRET}@{}/%2f", servers.rabbitmq.address()),
                );
            }
            Self::VirtualHost => {
                set_up.set(
                    "CAREQ_BROKER_URL",
                    format!("amqp://guest:guest@{}/nowhere", servers.rabbitmq.address()),
                );
            }
            Self::RoleWithoutInsert
            | Self::RoleWithoutDelete
            | Self::OtherEncoding
            | Self::TablesBehind
            | Self::TablesNewer
            | Self::CommitsNotWaitedFor
            | Self::RoleWithoutConnections
            | Self::RoleWithoutAccess
            | Self::TransactionLeftOpen
            | Self::TransactionOpenForDays
            | Self::PreparedTransaction
            | Self::ParametersLogged
            | Self::ParametersLoggedOnError
            | Self::TokenExpired
            | Self::DifferentPartitions
            | Self::IdleConsumers => self.strike_database(set_up, servers).await,
            _ => self.strike_broker(set_up, servers).await,
        }
    }

    async fn strike_database(self, set_up: &mut SetUp, servers: &Servers) {
        let name = set_up.database_name.clone();
        let role = format!("role_of_{name}");
        let role_that_may = |on_tables: &str| {
            format!(
                "CREATE ROLE {role} LOGIN; GRANT {on_tables} ON ALL TABLES IN SCHEMA public TO {role}; \
                 GRANT USAGE, CREATE ON SCHEMA public TO {role}"
            )
        };
        let statement = match self {
            Self::RoleWithoutInsert => role_that_may("SELECT, UPDATE, DELETE"),
            Self::RoleWithoutDelete => role_that_may("SELECT, INSERT, UPDATE"),
            Self::RoleWithoutConnections => format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"),
            Self::RoleWithoutAccess => {
                format!("CREATE ROLE {role} LOGIN; REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
            }
            Self::TablesBehind => {
                "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)"
                    .to_owned()
            }
            Self::TablesNewer => {
                "INSERT INTO seaql_migrations VALUES ('m29990101_000001_later', 0)".to_owned()
            }
            Self::CommitsNotWaitedFor => format!("ALTER DATABASE {name} SET synchronous_commit = off"),
            // The database's clock is ahead for the doctor, so that no time has to pass.
            Self::TransactionLeftOpen | Self::PreparedTransaction => format!(
                "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql RETURN pg_catalog.now() + interval '1 hour'; \
                 ALTER DATABASE {name} SET search_path = public, pg_catalog"
            ),
            Self::TransactionOpenForDays => {
                format!("{OLDER_TRANSACTIONS}; ALTER DATABASE {name} SET search_path = public, pg_catalog")
            }
            Self::ParametersLogged => {
                format!("ALTER DATABASE {name} SET log_min_duration_statement = 250")
            }
            Self::ParametersLoggedOnError => {
                format!("ALTER DATABASE {name} SET log_parameter_max_length_on_error = -1")
            }
            Self::TokenExpired => {
                "UPDATE clinic_credentials SET expires_at = now() - interval '1 day'".to_owned()
            }
            Self::DifferentPartitions => {
                format!("{}; {}", process("ingress", 0, 2), process("ingress", 0, 4))
            }
            Self::IdleConsumers => process("worker", 3, 2),
            _ => return set_up.make_database(servers, "SQL_ASCII").await,
        };
        let database = set_up.database(servers).await;
        database.execute_unprepared(&statement).await.unwrap();
        match self {
            Self::RoleWithoutInsert
            | Self::RoleWithoutDelete
            | Self::RoleWithoutConnections
            | Self::RoleWithoutAccess => {
                set_up.set("CAREQ_DATABASE_URL", set_up.database_url(servers, &role));
            }
            Self::TransactionLeftOpen => set_up.held.push(Box::new(database.begin().await.unwrap())),
            Self::TransactionOpenForDays => set_up.held.push(Box::new(active_transaction(database).await)),
            Self::PreparedTransaction => {
                let prepare = "BEGIN; PREPARE TRANSACTION 'left'";
                database.execute_unprepared(prepare).await.unwrap();
            }
            _ => {}
        }
    }

    async fn strike_broker(self, set_up: &mut SetUp, servers: &Servers) {
        let pattern = format!("^{}", set_up.prefix.replace('.', r"\."));
        let live = format!("{}.live.00", set_up.prefix);
        let control = async |arguments: &[&str]| drop(servers.rabbitmq.control(arguments).await);
        match self {
            Self::PolicyThatExpiresMessages => {
                control(&["set_policy", "broken", &pattern, r#"{"message-ttl": 60000}"#]).await;
            }
            Self::PolicyThatDropsTheOldest => {
                let definition = r#"{"max-length": 1000, "overflow": "drop-head"}"#;
                control(&["set_policy", "broken", &pattern, definition, "--priority", "1"]).await;
            }
            Self::OperatorPolicy => {
                control(&["set_operator_policy", "broken", &pattern, r#"{"expires": 86400000}"#]).await;
            }
            Self::LeftoverPartition => {
                set_up.set("CAREQ_BROKER_PARTITIONS", "3".to_owned());
                set_up.broker().await;
                set_up.set("CAREQ_BROKER_PARTITIONS", "2".to_owned());
            }
            Self::PartitionWithoutConsumer => {
                set_up.broker().await.publish(Queue::Live, CLINIC, "unread".into()).await.unwrap();
                let database = set_up.database(servers).await;
                database.execute_unprepared(&process("worker", 1, 2)).await.unwrap();
            }
            Self::MemoryAlarm => memory_alarm(servers, "0.00001", true).await,
            Self::UserThatMayNotWrite => {
                control(&["add_user", "reader", SECRET]).await;
                control(&["set_user_tags", "reader", "management"]).await;
                control(&["set_permissions", "reader", ".*", "^$", ".*"]).await;
                set_up.set(
                    "CAREQ_BROKER_URL",
                    format!("amqp://reader:{SECRET}@{}/%2f", servers.rabbitmq.address()),
                );
            }
            _ => {
                let (_connection, channel) = channel(&servers.rabbitmq).await;
                channel.queue_delete(live.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
                let declared =
                    channel.queue_declare(live.into(), QueueDeclareOptions::durable(), FieldTable::default());
                declared.await.unwrap();
            }
        }
    }

    /// Reverts a defect that would affect other set-ups.
    pub(crate) async fn undone(self, servers: &Servers) {
        if self == Self::MemoryAlarm {
            memory_alarm(servers, "0.6", false).await;
        }
    }
}

/// Registers a process that seems to run, whenever the doctor looks.
fn process(kind: &str, consumers: u32, partitions: u32) -> String {
    format!(
        "INSERT INTO processes VALUES (gen_random_uuid(), '{kind}', 'host', 1, '0.1.0', now(), now() + interval '1 hour', \
         {consumers}, {partitions}, 0, 0, NULL)"
    )
}

/// Begins a transaction that is active for five minutes.
async fn active_transaction(database: DatabaseConnection) -> JoinSet<()> {
    let mut transaction = JoinSet::new();
    let session = database.clone();
    transaction
        .spawn(async move { drop(session.execute_unprepared("BEGIN; SELECT pg_sleep(300); COMMIT").await) });
    until("the transaction is active", || async {
        let active = "SELECT 1 FROM pg_catalog.pg_stat_activity
            WHERE pid <> pg_backend_pid() AND datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep%'";
        let found = database.execute_unprepared(active).await.unwrap();
        (found.rows_affected() > 0).then_some(())
    })
    .await;
    transaction
}

async fn channel(rabbitmq: &RabbitMq) -> (Connection, Channel) {
    let connection = rabbitmq.connect().await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// RabbitMQ checks its memory every few seconds.
async fn memory_alarm(servers: &Servers, share: &str, is_on: bool) {
    servers.rabbitmq.control(&["set_vm_memory_high_watermark", share]).await;
    until("the alarm is in the wanted state", || async {
        let alarms = servers.rabbitmq.control(&["-q", "eval", "rabbit_alarm:get_alarms()."]).await;
        ((alarms.trim() != "[]") == is_on).then_some(())
    })
    .await;
}

/// Moves the doctor's clock by ten minutes.
fn move_clock(set_up: &mut SetUp) {
    set_up.set("LD_PRELOAD", clock_library().display().to_string());
    set_up.set("FAKETIME", "+10m".to_owned());
    // Timeouts use the monotonic clock.
    set_up.set("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned());
}

/// The same servers by an address that is not a loopback address, and leads to this machine.
fn in_clear(set_up: &mut SetUp, servers: &Servers) {
    let urls = [
        ("CAREQ_DATABASE_URL", set_up.database_url(servers, "careq")),
        ("CAREQ_BROKER_URL", RabbitMq::url(&servers.rabbitmq.address())),
        ("CAREQ_BROKER_MANAGEMENT_URL", servers.rabbitmq.management_url()),
    ];
    for (name, url) in urls {
        set_up.set(name, url.replace("127.0.0.1", "0.0.0.0"));
    }
    for name in ["CAREQ_DATABASE_ALLOW_CLEARTEXT", "CAREQ_BROKER_ALLOW_CLEARTEXT"] {
        set_up.set(name, "true".to_owned());
    }
}

/// A setting of every session, by the URL of the database.
fn session_setting(set_up: &mut SetUp, servers: &Servers, name: &str, value: &str) {
    let url = set_up.database_url(servers, "careq");
    set_up.set("CAREQ_DATABASE_URL", format!("{url}?options[{name}]={value}"));
}

/// The system accepts the connections, and no process answers.
fn half_open(set_up: &mut SetUp) {
    for (name, scheme) in [("CAREQ_DATABASE_URL", "postgres"), ("CAREQ_BROKER_URL", "amqp")] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        set_up.set(name, format!("{scheme}://me:{SECRET}@{}/x", silent.local_addr().unwrap()));
        set_up.held.push(Box::new(silent));
    }
}
