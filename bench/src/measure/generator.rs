//! Limits of the load itself: requests that are answered at once, and webhooks of `careq-sync simulate`. If either were the
//! bottleneck, the other measurements would be invalid.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::acknowledge::POOL;
use crate::context::Context;
use crate::installation::Installation;
use crate::load::{self, CLINIC, Requests};
use crate::raw;
use crate::report::line::{Line, Target, Unit};

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let bare = raw::http::start(&installation.credentials.signing_secret, None).await?;
    let requests = Requests::generate(&installation.credentials, 1, POOL)?;
    let mut rates = Vec::new();
    for _ in 0..context.repeats {
        let load = load::at_full_speed(bare.address()?, &requests, 64, context.sending).await?;
        rates.push(load.per_second());
    }
    drop(bare);
    let simulated = simulate(context, &installation).await?;
    Ok(vec![
        Line::single("requests answered at once, 64 connections", Unit::PerSecond, rates),
        Line::single("simulate: webhooks for a core's second", Unit::PerSecond, [simulated])
            .with(Target::AtLeast(10_000.0)),
    ])
}

/// Responses per second of the simulator's CPU time, in a run that checks every event.
async fn simulate(context: &Context, installation: &Installation) -> Result<f64> {
    let (ingress, worker) = (installation.ingress(&[]).await?, installation.worker(&[]).await?);
    let folder = tempfile::tempdir()?;
    let clinics = folder.path().join("clinics.json");
    let credentials = &installation.credentials;
    let clinic = serde_json::json!({
        "clinic_id": CLINIC, "token": credentials.token, "signing_secret": credentials.signing_secret
    });
    std::fs::write(&clinics, clinic.to_string())?;
    let simulated = Command::new(&context.careq_sync)
        .env_clear()
        .args(["simulate", "--json", "--seed", "7", "--connections", "64", "--orphans", "0", "--clinics"])
        .arg(&clinics)
        .args(["--url", &format!("http://{}", ingress.address()?)])
        .args(["--events", &(context.together / 5).to_string()])
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
