//! Examines an installation. Each finding says what is wrong, what it means, and what to do. The doctor changes nothing, shows neither
//! secrets nor patients' data, and every query has a timeout. A fault that a process reports clearly at its start, or that metrics and
//! alerts report, is not examined.

mod report;

mod settings;

mod data_folder;
mod keys;

mod clinics;
mod database;
mod processes;

mod broker;

mod clock;

use careq_shared::config::{BrokerKind, Config, Faults};
use futures_util::FutureExt as _;
use rustix::process::geteuid;
use sea_orm::{ConnectionTrait as _, DbBackend};

pub use report::{Examination, Finding, Report, Verdict};

/// Examines the installation of these settings, from the settings themselves to a message through the broker. Examinations that need an
/// unreachable server are skipped.
pub async fn examine(config: &Config) -> Report {
    let mut report = Report::default();
    report.note("settings", settings::examine(config));
    let user = geteuid().as_raw();
    let (findings, seal) = keys::examine(config, user);
    report.note("keys", findings);
    report.note("data folder", data_folder::examine(config, user));

    let mut has_worker = false;
    if let Some(database) = report.reach("database", database::reach(config)).await {
        if database.get_database_backend() == DbBackend::Postgres {
            report.add("server", database::server::examine(&database)).await;
            report.add("logging", database::logging::examine(&database)).await;
            report.add("permissions", database::permissions::examine(&database, config)).await;
            report.add("transactions", database::transactions::examine(&database)).await;
            report.add("clock of the database", clock::compare_with_database(&database)).await;
        } else {
            report.add("database file", database::tables::examine_file(&database)).await;
        }
        let are_current = report.reach("tables", database::tables::examine(&database)).await.is_some();
        if let Some(seal) = seal.filter(|_| are_current) {
            report.add("clinics", Box::pin(clinics::examine(&database, &seal))).await;
            report.add("sealed values", Box::pin(keys::examine_sealed(&database, &seal))).await;
        }
        if are_current && config.broker.kind() == BrokerKind::RabbitMq {
            has_worker = report.reach("processes", processes::examine(&database)).await.unwrap_or_default();
        }
    }

    if let Some(broker) = report.reach("broker", broker::reach(config)).await {
        report.add("queues", Box::pin(broker::queues::examine(&broker, has_worker)).map(Ok)).await;
        report.add("leftover queues", Box::pin(broker::queues::examine_leftovers(&broker)).map(Ok)).await;
        report.add("a message", Box::pin(broker::message::examine(&broker, config)).map(Ok)).await;
        if let Some(management) = report.reach("management API", broker::management::reach(config)).await {
            report.add("policies", broker::policies::examine(&management, &broker).map(Ok)).await;
            report.note("clock of the broker", clock::compare_with_broker(&management));
        }
        broker.close().await;
    }
    report
}

/// The report for settings that cannot be loaded.
#[must_use]
pub fn fault_report(faults: &Faults) -> Report {
    let mut report = Report::default();
    report.note("settings", settings::faults(faults));
    report
}
