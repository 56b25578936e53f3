//! A simulator of CareQ. It sends the bookings of invented clinics to a running installation and then looks for each of them.
//!
//! It uses only the interfaces that CareQ has, and optionally the tables. It does not depend on the ingress or the worker.

mod clinic;
mod plan;
mod world;

mod authenticator;
mod client;
mod report;
mod run;

mod check;
mod send;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

pub use authenticator::SigningKey;
pub use clinic::{Clinic, read_clinics};
pub use plan::{Disorder, Plan, Store};
pub use report::{Answers, Report};
pub use world::{Webhook, webhooks};

use run::Run;

/// Sends the plan's events, waits until all are settled, and checks the result. With a store, the tables are checked too. Prints
/// the progress.
///
/// # Errors
/// The plan is invalid, or the tables cannot be read. Everything else is part of the report.
pub async fn run(plan: Plan, store: Option<&Store>, print: fn(&str)) -> Result<Report> {
    let run = Arc::new(Run::new(plan)?);
    tokio::select! {
        finished = send_and_check(&run, store) => finished?,
        never = run.print_progress(print) => match never {},
    }
    let mut report = std::mem::take(&mut *run.report());
    let problems = report.lost + report.doubled + report.wrong + report.unread + report.undelivered as u64;
    report.passed = problems == 0;
    Ok(report)
}

async fn send_and_check(run: &Arc<Run>, store: Option<&Store>) -> Result<()> {
    let cpu_before_s = cpu_time_s();
    let receipts = send::send_all(run).await;
    run.report().sending_took(run.began.elapsed().as_secs_f64(), cpu_time_s() - cpu_before_s);
    check::check_all(run, &receipts, store).await
}

/// CPU time that this process has used, in seconds, so that a measurement can subtract what the simulator itself used.
#[expect(clippy::expect_used, reason = "the kernel counts up from zero")]
fn cpu_time_s() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).expect("a CPU time is not negative").as_secs_f64()
}
