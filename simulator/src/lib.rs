//! CareQ, played against a running installation: bookings of invented clinics are sent as CareQ would send them, and at the
//! end every one of them is looked for. It must never know the ingress or the worker: it sees what CareQ sees, and the
//! tables.

mod clinic;
mod cpu;
mod plan;
mod run;

mod world;

mod webhooks;

mod send;

mod tally;

mod progress;

mod check;

mod findings;

mod report;

use std::sync::Arc;
use std::time::Instant;

use careq_shared::clock;
use careq_shared::seal::Seal;
use sea_orm::{DatabaseConnection, DbErr};

pub use clinic::{Clinic, NoClinic, read as read_clinics};
pub use plan::{Disorder, Plan, Retry};
pub use progress::Tell;
pub use report::{Answers, Report};
pub use webhooks::{Webhook, webhooks};

use progress::Progress;
use report::Sending;
use run::Run;

/// What may be looked into besides the status pages.
#[derive(Debug)]
pub struct Store {
    /// The installation's database.
    pub database: DatabaseConnection,
    /// The keys of its sealed values.
    pub seal: Seal,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// There is nobody to call as.
    #[error(
        "no clinic to call as: give --clinics FILE with what `careq-sync clinic add ID --json` printed, or set CAREQ_CLINICS \
         as the installation has it"
    )]
    NoClinics,
    /// One clinic's bookings would be told twice, and differently.
    #[error("clinic {0} is named twice; each is played once")]
    ClinicTwice(String),
    /// The numbers of a run's records would not do.
    #[error("that is more than {0} bookings a clinic; play fewer events, or with more clinics")]
    TooMany(u64),
    /// Nothing that could be called.
    #[error("{0:?} is not the URL of an ingress, such as http://127.0.0.1:8080")]
    NoTarget(String),
    /// A secret that cannot be sent.
    #[error("a secret of clinic {0} holds characters that no header may have")]
    NoHeader(String),
    /// The HTTP client.
    #[error("the HTTP client cannot be made: the certificates of this machine cannot be read")]
    Client,
    /// The tables could not be read.
    #[error("the tables cannot be checked: {0}")]
    Tables(#[from] DbErr),
}

/// Plays the plan, waits until everything is settled, and checks it; the tables, too, where a store is given.
///
/// # Errors
/// The run could not be made. What it finds is in the report.
pub async fn run(plan: Plan, store: Option<&Store>, tell: Tell) -> Result<Report, SimulatorError> {
    let run = Run::of(plan)?;
    let progress = Progress::watch(Arc::clone(&run.live), run.plan.events, tell);

    let (began_at, began, cpu_before_s) = (clock::now(), Instant::now(), cpu::used_s());
    let played = send::everything(&run).await;
    let took = began.elapsed();
    let cpu_s = cpu::used_s().zip(cpu_before_s).map(|(after_s, before_s)| after_s - before_s);
    let checked = check::everything(&run, &played, store).await?;
    drop(progress);
    let sending = Sending { began_at, took, cpu_s };
    Ok(Report::of(&run.plan, sending, played, checked))
}
