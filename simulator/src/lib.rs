//! A simulator of CareQ. It sends the bookings of invented clinics to a running installation and then looks for each of them.
//!
//! It uses only the interfaces that CareQ has, and optionally the tables. It does not depend on the ingress or the worker.

mod convert;
mod error;
mod store;

mod clinic;
mod plan;

mod world;

mod webhooks;

mod client;

mod tally;

mod run;

mod findings;

mod send;

mod check;

mod cpu_time;
mod progress;
mod report;

use std::sync::Arc;
use std::time::Instant;

use careq_shared::clock;

pub use clinic::{Clinic, ClinicLineError, read as read_clinics};
pub use error::SimulatorError;
pub use plan::{Disorder, Plan, Retry};
pub use progress::PrintLine;
pub use report::{Answers, Report};
pub use store::Store;
pub use webhooks::{Webhook, webhooks};

use progress::Progress;
use report::Sending;
use run::Run;

/// Sends the plan's events, waits until all are settled, and checks the result. With a store, the tables are checked too.
///
/// # Errors
/// The plan is invalid, or the tables cannot be read. Everything else is part of the report.
pub async fn run(plan: Plan, store: Option<&Store>, print: PrintLine) -> Result<Report, SimulatorError> {
    let run = Run::new(plan)?;
    let progress = Progress::watch(Arc::clone(&run.live), run.plan.events, print);

    let (began_at, began, cpu_before_s) = (clock::now(), Instant::now(), cpu_time::used_s());
    let sent = send::send_all(&run).await;
    let took = began.elapsed();
    let cpu_s = cpu_time::used_s().zip(cpu_before_s).map(|(after_s, before_s)| after_s - before_s);
    let checked = check::check_all(&run, &sent, store).await?;
    drop(progress);
    let sending = Sending { began_at, took, cpu_s };
    Ok(Report::new(&run.plan, sending, sent, checked))
}
