//! Ingress and worker at once: how many events a second are sent, acknowledged and stored, beside how many bare axum acknowledges
//! in the same minute with nobody behind it.

use std::time::Instant;

use anyhow::Result;

use super::acknowledge::{POOL, ingress};
use super::{Bench, backlog};
use crate::installation;
use crate::load::{self, Requests};
use crate::raw;
use crate::repeat::{Pair, Spread, number};
use crate::report::{Line, Target, Unit};

const CONNECTIONS: usize = 64;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |installation| {
        let credentials = &installation.credentials;
        let bare = raw::http::start(&bench.programs, &credentials.signing_secret, Some(&installation.live()))
            .await?;
        let pool = Requests::of(credentials, 1, POOL)?;
        let (mut rates, mut later) = (Vec::new(), Vec::new());
        for seed in (2..).take(bench.sizes.repeats) {
            let acknowledging =
                load::at_full_speed(&bare.address, &pool, CONNECTIONS, bench.sizes.sending).await?;
            installation.purge().await?;
            let requests = Requests::of(credentials, seed, bench.sizes.together)?;
            let ingress = ingress(bench, installation, &[]).await?;
            let workers = [backlog::worker(bench, installation).await?];
            let began_at = Instant::now();
            later.push(load::every_one(&ingress.address, &requests, CONNECTIONS).await?.later_percent());
            backlog::settled(&workers, requests.len() as u64).await?;
            let ours = number(requests.len()) / began_at.elapsed().as_secs_f64();
            rates.push(Pair { ours, limit: acknowledging.per_second() });
            for process in workers.into_iter().chain([ingress]) {
                process.stop().await?;
            }
        }
        let what = format!("sent and stored, {CONNECTIONS} connections");
        // 8,000 where bare axum and publish reaches 26,000.
        let target = Target::ratio_at_least(8.0 / 26.0);
        Ok(vec![
            Line::beside(what, Unit::PerSecond, "bare axum, acknowledging alone", &rates).with(target),
            Line::alone("answers without their result (202) meanwhile", Unit::Percent, Spread::of(later)),
        ])
    })
    .await
}
