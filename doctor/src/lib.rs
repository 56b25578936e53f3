//! Examines an installation. Each finding says what is wrong, what it means, and what to do. The doctor changes nothing, shows neither
//! secrets nor patients' data, and every query has a timeout.

mod finding;
mod report;

mod settings;

mod data_folder;
mod keys;
mod open_files;
mod private_file;

mod http;
mod ports;
mod versions;

mod clinics;
mod database;
mod dead_letters;
mod sealed;

mod broker;

mod clock;

use careq_shared::config::{Config, Faults};
use sea_orm::{ConnectionTrait as _, DbBackend};

pub use finding::{Finding, Verdict};
pub use report::{Examination, Report};

/// Examines the installation of these settings, from the settings themselves to a message through the broker. Examinations that need an
/// unreachable server are skipped.
pub async fn examine(config: &Config) -> Report {
    let mut report = Report::default();
    report.note("settings", settings::examine(config));
    let seal = report.note_and_keep("keys", keys::examine(config));
    report.note("data folder", data_folder::examine(config));
    report.note("open files", open_files::examine(config));
    report.add("ports", ports::examine(config)).await;
    report.add("versions", versions::examine(config)).await;

    if let Some(database) = report.reach("database", database::reach(config)).await {
        if database.get_database_backend() == DbBackend::Postgres {
            report.add("server", database::server::examine(&database)).await;
            report.add("durability", database::durability::examine(&database)).await;
            report.add("session", database::session::examine(&database)).await;
            report.add("logging", database::logging::examine(&database)).await;
            report.add("permissions", database::permissions::examine(&database, config)).await;
            report.add("connections", database::connections::examine(&database, config)).await;
            report.add("transactions", database::transactions::examine(&database)).await;
            report.add("clock of the database", clock::of_database(&database)).await;
        } else {
            report.add("database file", database::file::examine(&database)).await;
        }
        if report.reach("tables", database::tables::examine(&database)).await.is_some() {
            if let Some(seal) = &seal {
                report.add("clinics", Box::pin(clinics::examine(&database, seal, &config.clinics))).await;
                report.add("sealed values", Box::pin(sealed::examine(&database, seal))).await;
            }
            report.add("dead letters", dead_letters::examine(&database)).await;
        }
    }

    if let Some(broker) = report.reach("broker", broker::reach(config)).await {
        report.add("queues", broker::queues::examine(&broker)).await;
        report.add("a message", broker::message::examine(&broker, config)).await;
        if let Some(management) = report.reach("management API", broker::management::reach(config)).await {
            report.add("policies", broker::policies::examine(&management, &broker)).await;
            report.note("clock of the broker", clock::of_broker(&management));
        }
        broker.close().await;
    }
    report
}

/// The report for settings that cannot be loaded.
#[must_use]
pub fn of_faults(faults: &Faults) -> Report {
    let mut report = Report::default();
    report.note("settings", settings::faults(faults));
    report
}
