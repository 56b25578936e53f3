//! Polling of a status page.

use std::time::{Duration, Instant};

use crate::client::authenticator::Authenticator;
use crate::client::response::{NoResponseError, ResponseData};
use crate::run::Run;

/// Time between two reads of a page.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Failed reads after which a page counts as unreadable. Each failed read waits for the `Retry-After` of its response.
const MAX_FAILED_READS: u32 = 100;

/// Reads a page until the condition holds or the deadline has passed, and returns its last state.
///
/// Failed reads do not count towards the deadline but have a limit of their own, so that a rate limit only slows the check.
///
/// # Errors
/// The page could not be read.
pub(super) async fn read_until(
    run: &Run,
    authenticator: &Authenticator,
    path: &str,
    deadline: Instant,
    is_final: impl Fn(Option<&ResponseData>) -> bool,
) -> Result<Option<ResponseData>, NoResponseError> {
    let mut failed_reads = 0;
    loop {
        match run.client.status_page(authenticator, path).await {
            Ok(page) if is_final(page.as_ref()) || Instant::now() > deadline => return Ok(page),
            Ok(_) => {}
            Err(NoResponseError) if failed_reads == MAX_FAILED_READS => return Err(NoResponseError),
            Err(NoResponseError) => failed_reads += 1,
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
