//! The end of a process: the signals that ask for it, and the time that it has. A second signal must never be needed, and nothing
//! that hangs may hold the end up for longer than supervisors wait.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a process may take to finish what it has in hand. The last spans may take five seconds more; what supervises a
/// process is told to wait a little longer than both together (test: `drain::supervisors_wait_for_the_stated_time`).
const FINISHES_WITHIN: Duration = Duration::from_mins(1);

/// Runs a process, which is told when to stop; if it has not finished then in its time, ends it as it stands.
///
/// # Errors
/// Those of the process, and that its time was over. Nothing is lost then: it is as if it had been killed.
pub(crate) async fn heeding_signals<P>(process: impl FnOnce(CancellationToken) -> P) -> Result<()>
where
    P: Future<Output = Result<()>>,
{
    let shutdown = on_signal()?;
    tokio::select! {
        ended = process(shutdown.clone()) => ended,
        () = time_is_over(&shutdown) => bail!(
            "not all that was in hand could be finished within {} s, and the process ends as it stands. CareQ sends again what was \
             not answered, and another worker does what was not done",
            FINISHES_WITHIN.as_secs()
        ),
    }
}

/// Cancelled when SIGTERM or SIGINT arrives.
fn on_signal() -> Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop; finishing what is in hand");
        token.cancel();
    });
    Ok(shutdown)
}

async fn time_is_over(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(FINISHES_WITHIN).await;
}
