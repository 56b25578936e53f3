//! What the load itself costs: requests that are answered at once, and what `careq-sync simulate` needs for a webhook. Were either
//! the bottleneck, everything else here would be worth nothing.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::acknowledge::{POOL, ingress};
use super::{Bench, backlog};
use crate::installation::{self, CLINIC, Installation};
use crate::load::{self, Requests};
use crate::raw;
use crate::repeat::Spread;
use crate::report::{Line, Target, Unit};

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let bare = raw::http::start(&bench.programs, &installation.credentials.signing_secret, None).await?;
        let requests = Requests::of(&installation.credentials, 1, POOL)?;
        let mut rates = Vec::new();
        for _ in 0..bench.sizes.repeats {
            rates.push(
                load::at_full_speed(&bare.address, &requests, 64, bench.sizes.sending).await?.per_second(),
            );
        }
        drop(bare);
        let simulated = simulate(bench, installation).await?;
        Ok(vec![
            Line::alone("requests answered at once, 64 connections", Unit::PerSecond, Spread::of(rates)),
            Line::alone("simulate: webhooks for a core's second", Unit::PerSecond, Spread::of([simulated]))
                .with(Target::at_least(10_000.0)),
        ])
    })
    .await
}

/// Answers that the simulator gets for each second of CPU time that it uses, in a run whose every event it checks.
async fn simulate(bench: &Bench, installation: &Installation) -> Result<f64> {
    let (ingress, worker) =
        (ingress(bench, installation, &[]).await?, backlog::worker(bench, installation).await?);
    let folder = tempfile::tempdir()?;
    let clinics = folder.path().join("clinics.json");
    let credentials = &installation.credentials;
    let clinic = serde_json::json!({
        "clinic_id": CLINIC, "token": credentials.token, "signing_secret": credentials.signing_secret
    });
    std::fs::write(&clinics, clinic.to_string())?;
    let simulated = Command::new(&bench.programs.careq_sync)
        .env_clear()
        .args(["simulate", "--json", "--seed", "7", "--connections", "64", "--orphans", "0", "--clinics"])
        .arg(&clinics)
        .args(["--url", &format!("http://{}", ingress.address)])
        .args(["--events", &(bench.sizes.together / 5).to_string()])
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(simulated.status.success(), "simulate: {}", String::from_utf8_lossy(&simulated.stderr));
    ingress.stop().await?;
    worker.stop().await?;
    let report: Value = serde_json::from_slice(&simulated.stdout)?;
    let figure = |name: &str| report[name].as_f64().with_context(|| format!("the report has {name}"));
    Ok(figure("answered_per_second")? * figure("sent_in_s")? / figure("sending_cpu_s")?)
}
