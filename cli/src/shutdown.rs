//! Graceful shutdown on SIGTERM or SIGINT, with a time limit.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The time to finish the work in flight. Exporting the last spans may take five seconds more. The stop timeout of supervisors is longer
/// than both together (test: `drain::supervisors_wait_for_the_stated_time`).
const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// Runs a process until it ends. A signal cancels its token, and [`DRAIN_TIMEOUT`] later it is aborted.
///
/// # Errors
/// The process failed, or was aborted. An abort loses nothing, like a kill.
pub(crate) async fn run_until_signal<P>(process: impl FnOnce(CancellationToken) -> P) -> Result<()>
where
    P: Future<Output = Result<()>>,
{
    let shutdown = token_of_signals()?;
    let drain_timeout = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = process(shutdown.clone()) => result,
        () = drain_timeout => bail!(
            "the work in flight could not be finished within {} s and was aborted. Nothing is lost: CareQ repeats unanswered \
             requests, and another worker processes the remaining events",
            DRAIN_TIMEOUT.as_secs()
        ),
    }
}

/// A token that SIGTERM or SIGINT cancels.
fn token_of_signals() -> Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutdown requested; finishing the work in flight");
        token.cancel();
    });
    Ok(shutdown)
}
