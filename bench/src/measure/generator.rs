//! Limits of the load itself: requests that are answered at once, and webhooks of `careq-sync simulate`. If either were the
//! bottleneck, the other measurements would be invalid.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::acknowledge::{POOL, ingress};
use super::backlog;
use crate::clinic::CLINIC;
use crate::context::Context;
use crate::installation::{self, Installation};
use crate::load::{self, Requests};
use crate::raw;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::Spread;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let bare =
            raw::http::start(&context.programs, &installation.credentials.signing_secret, None).await?;
        let requests = Requests::of(&installation.credentials, 1, POOL)?;
        let mut rates = Vec::new();
        for _ in 0..context.sizes.repeats {
            rates.push(
                load::at_full_speed(bare.address()?, &requests, 64, context.sizes.sending)
                    .await?
                    .per_second(),
            );
        }
        drop(bare);
        let simulated = simulate(context, installation).await?;
        Ok(vec![
            Line::single("requests answered at once, 64 connections", Unit::PerSecond, Spread::of(rates)),
            Line::single("simulate: webhooks for a core's second", Unit::PerSecond, Spread::of([simulated]))
                .with(Target::at_least(10_000.0)),
        ])
    })
    .await
}

/// Responses per second of the simulator's CPU time, in a run that checks every event.
async fn simulate(context: &Context, installation: &Installation) -> Result<f64> {
    let (ingress, worker) =
        (ingress(context, installation, &[]).await?, backlog::worker(context, installation).await?);
    let folder = tempfile::tempdir()?;
    let clinics = folder.path().join("clinics.json");
    let credentials = &installation.credentials;
    let clinic = serde_json::json!({
        "clinic_id": CLINIC, "token": credentials.token, "signing_secret": credentials.signing_secret
    });
    std::fs::write(&clinics, clinic.to_string())?;
    let simulated = Command::new(&context.programs.careq_sync)
        .env_clear()
        .args(["simulate", "--json", "--seed", "7", "--connections", "64", "--orphans", "0", "--clinics"])
        .arg(&clinics)
        .args(["--url", &format!("http://{}", ingress.address()?)])
        .args(["--events", &(context.sizes.together / 5).to_string()])
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(simulated.status.success(), "simulate: {}", String::from_utf8_lossy(&simulated.stderr));
    ingress.stop().await?;
    worker.stop().await?;
    let report: Value = serde_json::from_slice(&simulated.stdout)?;
    let number = |name: &str| report[name].as_f64().with_context(|| format!("the report has {name}"));
    Ok(number("answered_per_second")? * number("sent_in_s")? / number("sending_cpu_s")?)
}
