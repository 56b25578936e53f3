//! Logs of a process, readable or JSON, on standard error. Statements of the database library must never be switched
//! on: they carry patients' data.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat};

/// Starts logging. A second call changes nothing, so that tests may start several processes' worth in one.
pub fn start(config: &LogConfig) {
    let level = config.level.as_str();
    // Only our own crates follow the setting. Libraries speak up when something is wrong, and the database's and the
    // broker's not at all: their failures are reported, without any values, where we handle them.
    let directives = format!(
        "warn,careq_sync={level},careq_ingress={level},careq_worker={level},careq_shared={level},\
         sqlx=off,sea_orm=off,lapin=off"
    );
    let colours = std::io::stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(EnvFilter::new(directives));
    let started = match config.format {
        LogFormat::Text => registry
            .with(layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours))
            .try_init(),
        LogFormat::Json => registry.with(layer().json().with_writer(std::io::stderr)).try_init(),
    };
    // What a fault in the program says may quote what it worked on; where it is says enough.
    std::panic::set_hook(Box::new(|fault| {
        let place = fault.location().map(ToString::to_string);
        tracing::error!(place, "a fault in the program");
    }));
    // The only failure is that logging has been started before.
    drop(started);
}
