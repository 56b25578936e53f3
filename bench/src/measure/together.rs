//! Events per second that are sent, acknowledged and stored, compared with the requests that a bare server acknowledges in the
//! same minute.

use std::time::Instant;

use anyhow::Result;

use super::acknowledge::{POOL, ingress};
use super::backlog;
use crate::context::Context;
use crate::installation;
use crate::load::{self, Requests};
use crate::raw;
use crate::report::line::{Line, Target, Unit};
use crate::statistics::{Pair, Spread, to_f64};

const CONNECTIONS: usize = 64;

pub(super) async fn measure(context: &Context) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let credentials = &installation.credentials;
        let bare =
            raw::http::start(&context.programs, &credentials.signing_secret, Some(&installation.live()))
                .await?;
        let pool = Requests::of(credentials, 1, POOL)?;
        let (mut rates, mut later) = (Vec::new(), Vec::new());
        for seed in (2..).take(context.sizes.repeats) {
            let acknowledging =
                load::at_full_speed(bare.address()?, &pool, CONNECTIONS, context.sizes.sending).await?;
            installation.purge().await?;
            let requests = Requests::of(credentials, seed, context.sizes.together)?;
            let ingress = ingress(context, installation, &[]).await?;
            let workers = [backlog::worker(context, installation).await?];
            let began_at = Instant::now();
            later.push(
                load::each_once(ingress.address()?, &requests, CONNECTIONS).await?.without_result_percent(),
            );
            backlog::settled(&workers, requests.len() as u64).await?;
            let ours = to_f64(requests.len()) / began_at.elapsed().as_secs_f64();
            rates.push(Pair { ours, limit: acknowledging.per_second() });
            for process in workers.into_iter().chain([ingress]) {
                process.stop().await?;
            }
        }
        let what = format!("sent and stored, {CONNECTIONS} connections");
        // 8,000 where bare axum and publish reaches 26,000.
        let target = Target::ratio_at_least(8.0 / 26.0);
        Ok(vec![
            Line::compared(what, Unit::PerSecond, "bare axum, acknowledging alone", &rates).with(target),
            Line::single("answers without their result (202) meanwhile", Unit::Percent, Spread::of(later)),
        ])
    })
    .await
}
