//! `careq-sync simulate`: sends generated webhooks to a running installation and checks the result. It fails unless the check has
//! passed.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use careq_shared::config::Config;
use careq_shared::{database, seal};
use careq_simulator::{Clinic, Disorder, Plan, Store};

use crate::arguments::simulation::Simulation;
use crate::environment::print_to_stderr;

pub(crate) async fn run(config: &Config, simulation: Simulation) -> Result<()> {
    let store = match &simulation.database_url {
        Some(url) => Some(store(config, url).await?),
        None => None,
    };
    let output = simulation.output;
    let report = careq_simulator::run(plan(config, simulation)?, store.as_ref(), print_to_stderr).await?;
    output.print(&report, || report.to_string())?;
    if report.passed {
        return Ok(());
    }
    if report.undelivered > 0 {
        bail!(
            "{} requests were never accepted. If many were answered 429, raise the clinics' rate during the test",
            report.undelivered
        );
    }
    bail!("the check failed; `--seed {}` sends the same events again", report.seed);
}

fn plan(config: &Config, simulation: Simulation) -> Result<Plan> {
    let local = || vec![format!("http://{}", config.ingress.listen)];
    Ok(Plan {
        targets: if simulation.urls.is_empty() { local() } else { simulation.urls },
        clinics: clinics(config, simulation.clinics.as_deref())?,
        // Short enough to be typed.
        seed: simulation.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
        events: simulation.events,
        rate_per_second: simulation.rate,
        connections: usize::from(simulation.connections),
        disorder: Disorder {
            shuffle: simulation.shuffle,
            repeat_percent: simulation.repeat,
            orphan_percent: simulation.orphans,
            late_after: simulation.late_after,
            poison_percent: simulation.poison,
            batch_percent: simulation.batches,
        },
        retry_after: simulation.retry_after,
        timeout: simulation.timeout,
        settle_within: simulation.settle_within,
    })
}

fn clinics(config: &Config, file: Option<&Path>) -> Result<Vec<Clinic>> {
    let Some(file) = file else { return Ok(config.clinics.iter().map(Clinic::from).collect()) };
    let lines =
        std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    careq_simulator::read_clinics(&lines).with_context(|| file.display().to_string())
}

/// The database of the installation, with the keys of the settings.
async fn store(config: &Config, url: &str) -> Result<Store> {
    let config = config.with_database(url)?;
    let seal = seal::open(&config)?;
    Ok(Store { database: database::connect(&config).await?, seal })
}
