//! Context of one run, shared by sending and checking: the plan, its world, the client and the report.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use careq_shared::clock;

use crate::authenticator::Authenticator;
use crate::client::Client;
use crate::plan::Plan;
use crate::report::{Finding, Report};
use crate::world::World;

/// Bookings of one clinic for which the run has record numbers.
const MAX_BOOKINGS: u64 = 400_000;

/// Time between two lines about the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) world: World,
    pub(crate) client: Client,
    /// One for each clinic, in the order of the plan.
    pub(crate) authenticators: Vec<Authenticator>,
    pub(crate) began: Instant,
    report: Mutex<Report>,
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Result<Self> {
        let world = validated_world(&plan)?;
        let client = Client::new(&plan)?;
        let authenticators = plan.clinics.iter().map(Authenticator::new).collect::<Result<_>>()?;
        let (began, began_at) = (Instant::now(), clock::now().to_rfc3339());
        let (seed, clinics) = (plan.seed, plan.clinics.len());
        let report = Mutex::new(Report { seed, clinics, began_at, ..Report::default() });
        Ok(Self { plan, world, client, authenticators, began, report })
    }

    /// The authenticator of a scenario's clinic.
    pub(crate) fn authenticator_of(&self, scenario: u64) -> &Authenticator {
        &self.authenticators[self.world.clinic_of(scenario)]
    }

    pub(crate) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a response to a request that was due some time ago.
    pub(crate) fn answered(&self, status: u16, latency: Duration, took: Duration) {
        let mut report = self.report();
        report.answered(status, latency, took, self.began.elapsed().as_secs());
    }

    pub(crate) fn find(&self, finding: Finding, sentence: &str) {
        self.report().find(finding, sentence);
    }

    /// Prints the progress every 5 s. Scripts use the report instead.
    pub(crate) async fn print_progress(&self, print: fn(&str)) -> Infallible {
        loop {
            tokio::time::sleep(PROGRESS_INTERVAL).await;
            let report = self.report();
            print(&format!(
                "{} of about {} requests answered, {} retried, {} status pages checked",
                report.responses(),
                self.plan.events,
                report.retried,
                report.checked_events + report.checked_records
            ));
        }
    }
}

fn validated_world(plan: &Plan) -> Result<World> {
    let mut names = BTreeSet::new();
    if let Some(duplicate) = plan.clinics.iter().find(|clinic| !names.insert(&clinic.clinic_id)) {
        // Its records would get two different contents.
        bail!("clinic {} is listed twice; remove one of the two", duplicate.clinic_id);
    }
    ensure!(
        !names.is_empty(),
        "no clinic to call as: give --clinics FILE with the output of `careq-sync clinic add ID --json`, or set CAREQ_CLINICS \
         as the installation has it"
    );
    let world = World::from_plan(plan);
    ensure!(
        world.scenarios() / names.len() as u64 <= MAX_BOOKINGS,
        "that is more than {MAX_BOOKINGS} bookings per clinic; send fewer events or use more clinics"
    );
    Ok(world)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinic::Clinic;

    fn plan(clinics: &[&str], events: u64) -> Plan {
        let clinic = |id: &&str| Clinic { clinic_id: (*id).to_owned(), ..Clinic::default() };
        Plan { clinics: clinics.iter().map(clinic).collect(), events, ..Plan::default() }
    }

    #[test]
    fn a_plan_needs_distinct_clinics_and_enough_record_numbers() {
        let error = |clinics, events| validated_world(&plan(clinics, events)).unwrap_err().to_string();
        assert!(validated_world(&plan(&["a", "b"], 1_000)).is_ok());
        assert!(error(&[], 1_000).contains("no clinic"));
        assert!(error(&["a", "a"], 1_000).contains("clinic a is listed twice"));
        assert!(error(&["a"], 4 * (MAX_BOOKINGS + 1)).contains("more than 400000 bookings"));
    }
}
