//! Defects of a set-up, each applied to a healthy one.

use std::net::TcpListener;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::set_up::{SECRET, SetUp, restrict};
use crate::harness::{clock_library, until};
use crate::servers::{RabbitMq, Servers, free_port};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    UnknownSetting,
    EveryAddress,
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
    SessionSettingUnknown,
    TransactionLeftOpen,
    PreparedTransaction,
    ParametersLogged,
    ParametersLoggedOnError,
    TokenExpired,
    EverythingHalfOpen,
    BrokerPassword,
    VirtualHost,
    UserThatMayNotWrite,
    ClassicQueue,
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
            Self::EveryAddress => {
                set_up.set("CAREQ_INGRESS_LISTEN", format!("0.0.0.0:{}", free_port()));
                set_up.set("CAREQ_OPERATIONS_LISTEN", format!("[::]:{}", free_port()));
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
            Self::SessionSettingUnknown => {
                let url = set_up.database_url(servers, "careq");
                set_up.set("CAREQ_DATABASE_URL", format!("{url}?options[no_such_setting]=on"));
            }
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
            | Self::TransactionLeftOpen
            | Self::PreparedTransaction
            | Self::ParametersLogged
            | Self::ParametersLoggedOnError
            | Self::TokenExpired => self.strike_database(set_up, servers).await,
            Self::UserThatMayNotWrite
            | Self::ClassicQueue
            | Self::MemoryAlarm
            | Self::PolicyThatExpiresMessages
            | Self::PolicyThatDropsTheOldest
            | Self::OperatorPolicy => self.strike_broker(set_up, servers).await,
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
            Self::ParametersLogged => {
                format!("ALTER DATABASE {name} SET log_min_duration_statement = 250")
            }
            Self::ParametersLoggedOnError => {
                format!("ALTER DATABASE {name} SET log_parameter_max_length_on_error = -1")
            }
            Self::TokenExpired => {
                "UPDATE clinic_credentials SET expires_at = now() - interval '1 day'".to_owned()
            }
            _ => return set_up.make_database(servers, "SQL_ASCII").await,
        };
        let database = set_up.database(servers).await;
        database.execute_unprepared(&statement).await.unwrap();
        match self {
            Self::RoleWithoutInsert | Self::RoleWithoutDelete | Self::RoleWithoutConnections => {
                set_up.set("CAREQ_DATABASE_URL", set_up.database_url(servers, &role));
            }
            Self::TransactionLeftOpen => set_up.held.push(Box::new(database.begin().await.unwrap())),
            Self::PreparedTransaction => {
                let prepare = "BEGIN; PREPARE TRANSACTION 'left'";
                database.execute_unprepared(prepare).await.unwrap();
            }
            _ => {}
        }
    }

    async fn strike_broker(self, set_up: &mut SetUp, servers: &Servers) {
        let pattern = format!("^{}", set_up.prefix.replace('.', r"\."));
        let live = format!("{}.live", set_up.prefix);
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
    ];
    for (name, url) in urls {
        set_up.set(name, url.replace("127.0.0.1", "0.0.0.0"));
        set_up.set(&name.replace("URL", "ALLOW_CLEARTEXT"), "true".to_owned());
    }
}

/// The system accepts the connections, and no process answers.
fn half_open(set_up: &mut SetUp) {
    for (name, scheme) in [("CAREQ_DATABASE_URL", "postgres"), ("CAREQ_BROKER_URL", "amqp")] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        set_up.set(name, format!("{scheme}://me:{SECRET}@{}/x", silent.local_addr().unwrap()));
        set_up.held.push(Box::new(silent));
    }
}
