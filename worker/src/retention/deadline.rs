//! Deadline of retention's database work, and its faults as sentences.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::timeout;

use crate::fault::Fault;

/// A step that takes longer is aborted, and the round with it.
const DEADLINE: Duration = Duration::from_secs(10);

/// The result of the work within the deadline.
pub(super) async fn in_time<T>(
    work: impl Future<Output = Result<T, DbErr>>,
) -> Result<Result<T, DbErr>, String> {
    timeout(DEADLINE, work).await.map_err(|_| "the database did not answer in time".to_owned())
}

/// A fault without the database's own words.
pub(super) fn sentence(fault: DbErr) -> String {
    match Fault::from(fault) {
        Fault::Contention => "another process was at the same rows".to_owned(),
        Fault::TimedOut => "the database did not answer in time".to_owned(),
        Fault::Infrastructure(fault) | Fault::Event(fault) => fault.message,
    }
}
