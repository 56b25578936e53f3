//! Logs on standard error, in text or JSON; metrics; and optional traces. Fields pass the allowlist in `fields.rs`.
//! Log lines of libraries are off, because their content is unknown; the database driver's contain patients' data.

mod fields;
mod json;
pub mod measure;
pub mod metrics;
pub mod traces;

use std::backtrace::Backtrace;
use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{LogConfig, LogFormat, TelemetryConfig};
use crate::ignore;

/// The crates whose log lines are written. A test finds a crate that logs and is missing here.
const LOGGED_CRATES: [&str; 6] =
    ["careq_sync", "careq_http", "careq_ingress", "careq_worker", "careq_console", "careq_shared"];

/// The running telemetry, to be ended.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// The reason why telemetry cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp_endpoint (CAREQ_TELEMETRY_OTLP_ENDPOINT) cannot be used: {0}")]
pub struct StartError(#[from] opentelemetry_otlp::ExporterBuildError);

/// Starts logging, and tracing for a long-running `process`: `standalone`, `ingress`, `worker` or `console`. A second
/// call changes nothing, so tests may start several processes in one.
///
/// # Errors
/// The address of the collector is malformed.
pub fn start(
    log: &LogConfig,
    telemetry: &TelemetryConfig,
    process: Option<&'static str>,
) -> Result<Telemetry, StartError> {
    let traces = match process {
        Some(process) => {
            metrics::metrics().began(process);
            traces::start(telemetry, process)?
        }
        None => None,
    };
    let registry = tracing_subscriber::registry().with(spans(traces.as_ref()));
    let lines = EnvFilter::new(lines(log));
    let started = match log.format {
        LogFormat::Text => {
            let text = layer()
                .fmt_fields(fields::Readable)
                .with_writer(std::io::stderr)
                .with_target(false)
                .with_ansi(std::io::stderr().is_terminal());
            registry.with(text.with_filter(lines)).try_init()
        }
        LogFormat::Json => {
            let json = layer().event_format(json::Lines).with_writer(std::io::stderr);
            registry.with(json.with_filter(lines)).try_init()
        }
    };
    ignore(started, "logging has been started before");
    log_faults();
    Ok(Telemetry { traces })
}

/// The layer that exports spans. Without a collector it is switched off instead of left out, so that spans are not
/// created at all.
fn spans<S>(traces: Option<&SdkTracerProvider>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let wanted = if traces.is_some() { LevelFilter::INFO } else { LevelFilter::OFF };
    let exported = traces.map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("careq-sync"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
    });
    exported.with_filter(Targets::new().with_target(traces::SPAN, wanted))
}

/// The filter of log lines. Library errors are logged, without values, where they are handled.
fn lines(log: &LogConfig) -> String {
    let level = log.level.as_str();
    let crates = LOGGED_CRATES.map(|ours| format!("{ours}={level}")).join(",");
    format!("off,{crates}")
}

/// Logs panics. A panic message may quote data, so only the location and the stack are logged.
fn log_faults() {
    std::panic::set_hook(Box::new(|fault| {
        let place = fault.location().map(ToString::to_string);
        let stack = Backtrace::force_capture();
        tracing::error!(place, %stack, "a fault in the program");
    }));
}

impl Telemetry {
    /// Exports the last spans, for at most five seconds.
    pub async fn end(self) {
        if let Some(traces) = self.traces {
            let end = move || traces.shutdown_with_timeout(traces::FLUSH_TIMEOUT);
            ignore(tokio::task::spawn_blocking(end).await, "the process ends, and lost spans are counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_not_created_without_a_collector() {
        let text = layer().with_writer(std::io::sink).with_filter(EnvFilter::new("off,careq_shared=info"));
        let subscriber = tracing_subscriber::registry().with(spans(None)).with(text);
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::info_span!(target: traces::SPAN, "request").is_disabled());
            assert!(tracing::enabled!(target: "careq_shared", tracing::Level::INFO), "lines are written");
        });
    }
}
