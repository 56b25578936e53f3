//! Logs of a process, readable or JSON, on standard error. Whatever is written passes the list in `fields.rs`; what libraries
//! say must never be switched on: nobody here can vouch for their words, and the database's carry patients' data.

mod fields;
mod json;

use std::backtrace::Backtrace;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat};

/// The crates whose words are ours. One that logs and is missing here would do so unheard: a test looks for it.
const HEARD: [&str; 6] =
    ["careq_sync", "careq_http", "careq_ingress", "careq_worker", "careq_console", "careq_shared"];

/// Starts logging. A second call changes nothing, so that tests may start several processes' worth in one.
pub fn start(config: &LogConfig) {
    let level = config.level.as_str();
    // Failures of libraries are reported, without any values, where we handle them.
    let heard = HEARD.map(|ours| format!("{ours}={level}")).join(",");
    let directives = format!("off,{heard}");
    let registry = tracing_subscriber::registry().with(EnvFilter::new(directives));
    let started = match config.format {
        LogFormat::Text => {
            let text = layer()
                .fmt_fields(debug_fn(fields::write).delimited(" "))
                .with_writer(std::io::stderr)
                .with_target(false)
                .with_ansi(std::io::stderr().is_terminal());
            registry.with(text).try_init()
        }
        LogFormat::Json => {
            registry.with(layer().event_format(json::Lines).with_writer(std::io::stderr)).try_init()
        }
    };
    // What a fault in the program says may quote what it worked on; where it is, and how it came there, says enough.
    std::panic::set_hook(Box::new(|fault| {
        let place = fault.location().map(ToString::to_string);
        let stack = Backtrace::force_capture();
        tracing::error!(place, %stack, "a fault in the program");
    }));
    // The only failure is that logging has been started before.
    drop(started);
}
