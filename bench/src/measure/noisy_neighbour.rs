//! A quiet clinic while another one has a backlog, in another partition and in the same one. The noisy clinic's events are
//! published before the worker starts; the quiet one sends its bookings to an ingress from then on.

use anyhow::Result;
use careq_shared::broker::partition;
use sea_orm::sqlx;

use super::backlog;
use crate::clinics;
use crate::context::Context;
use crate::installation::Installation;
use crate::load::{self, CLINIC, Requests};
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{Pair, alternate, map_pairs};

/// Requests per second of the quiet clinic: one booking, which has four events on average.
const RATE: u32 = 4;

/// Results of the quiet clinic.
struct Quiet {
    answer_p99_ms: f64,
    stored_after_ms: f64,
}

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let partitions = installation.partitions();
    let same = partition::for_clinic(CLINIC, partitions);
    let other = (same + 1) % partitions.get();
    let [other, same] = [other, same].map(|partition| clinics::in_partition(partition, partitions));
    let take = async |noisy: &str| disturb(context, &installation, noisy).await;
    let pairs = alternate(context.repeats, other.as_str(), same.as_str(), take).await?;
    let answers = map_pairs(&pairs, |quiet| quiet.answer_p99_ms);
    let stored = map_pairs(&pairs, |quiet| quiet.stored_after_ms);
    let apart = |what: &str, pairs: &[Pair<f64>]| {
        let values = pairs.iter().map(|pair| pair.baseline);
        Line::single(format!("{what}, noise in another partition"), Unit::Milliseconds, values)
    };
    let together = |what: &str, pairs: &[Pair<f64>]| {
        let what = format!("{what}, noise in the same partition");
        Line::compared(what, Unit::Milliseconds, "another partition", pairs)
    };
    Ok(vec![
        apart("answer, p99", &answers).with(Target::AtMost(250.0)),
        apart("stored, slowest event", &stored),
        together("answer, p99", &answers),
        together("stored, slowest event", &stored).with(Target::AtMost(2_000.0)),
    ])
}

/// Measures the quiet clinic during the backlog of a noisy one.
async fn disturb(context: &Context, installation: &Installation, noisy: &str) -> Result<Quiet> {
    installation.empty(backlog::TABLES).await?;
    let ingress = installation.ingress(&[]).await?;
    let backlog_events = backlog::publish(installation, &[noisy], 1, context.noise).await?;
    let events = u64::from(RATE) * context.disturbed.as_secs();
    let requests = Requests::generate(&installation.credentials, 1, events)?;
    let worker = installation.worker(&[]).await?;
    let load = load::at_rate(ingress.address()?, &requests, RATE, context.disturbed).await?;
    backlog::settled(std::slice::from_ref(&worker), backlog_events + load.answered()).await?;
    worker.stop().await?;
    ingress.stop().await?;
    let stored_after_ms = stored_after_ms(installation).await?;
    Ok(Quiet { answer_p99_ms: load.latency_ms(0.99), stored_after_ms })
}

/// Longest time from the acceptance of an event of the quiet clinic until it was stored.
async fn stored_after_ms(installation: &Installation) -> Result<f64> {
    let select = "SELECT (extract(epoch FROM max(settled_at - accepted_at)) * 1000)::float8 FROM events \
                  WHERE clinic_id = $1";
    Ok(sqlx::query_scalar(select).bind(CLINIC).fetch_one(installation.pool()).await?)
}
