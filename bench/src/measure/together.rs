//! Events per second that are sent, acknowledged and stored, compared with the requests that a bare server acknowledges in the
//! same minute.

use std::time::Instant;

use anyhow::Result;

use super::acknowledge::POOL;
use super::backlog;
use crate::context::Context;
use crate::installation::Installation;
use crate::load::{self, Requests};
use crate::raw;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{Pair, to_f64};

const CONNECTIONS: usize = 64;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    let installation = Installation::new(context).await?;
    let credentials = &installation.credentials;
    let bare = raw::http::start(&credentials.signing_secret, Some(&installation.live_queue())).await?;
    let pool = Requests::generate(credentials, 1, POOL)?;
    let (mut rates, mut later) = (Vec::new(), Vec::new());
    for seed in (2..).take(context.repeats) {
        let acknowledging = load::at_full_speed(bare.address()?, &pool, CONNECTIONS, context.sending).await?;
        installation.purge().await?;
        let requests = Requests::generate(credentials, seed, context.together)?;
        let (ingress, worker) = (installation.ingress(&[]).await?, installation.worker(&[]).await?);
        let began_at = Instant::now();
        let load = load::each_once(ingress.address()?, &requests, CONNECTIONS).await?;
        later.push(load.without_result_percent());
        backlog::settled(std::slice::from_ref(&worker), requests.len() as u64).await?;
        let value = to_f64(requests.len()) / began_at.elapsed().as_secs_f64();
        rates.push(Pair { value, baseline: acknowledging.per_second() });
        worker.stop().await?;
        ingress.stop().await?;
    }
    let what = format!("sent and stored, {CONNECTIONS} connections");
    // 8,000 where bare axum and publish reaches 26,000.
    let target = Target::RatioAtLeast(8.0 / 26.0);
    Ok(vec![
        Line::compared(what, Unit::PerSecond, "bare axum, acknowledging alone", &rates).with(target),
        Line::single("answers without their result (202) meanwhile", Unit::Percent, later),
    ])
}
