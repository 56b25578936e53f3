//! Whether a worker is slower where the ledger holds years of events, beside an empty one, in turns.

use anyhow::Result;
use sea_orm::ConnectionTrait as _;
use tokio::process::Command;

use super::{Bench, backlog};
use crate::installation::{self, Installation};
use crate::repeat::{Pair, figures};
use crate::report::{Line, Target, Unit};

/// Rows like those of settled events, with ids and keys made as ours are; the indexes are made afterwards, which is quicker.
fn filling(rows: u64) -> [String; 6] {
    // See `EventId`: kind and number, a digest, and a seal.
    let event_id = "'evt_' || translate(encode('t' || int8send(n) || decode(md5(n::text), 'hex') \
                    || substr(decode(md5('seal' || n), 'hex'), 1, 8), 'base64'), '+/', '-_')";
    [
        "ALTER TABLE events DROP CONSTRAINT events_pkey".to_owned(),
        "DROP INDEX events_idempotency_key".to_owned(),
        format!(
            "INSERT INTO events (event_id, clinic_id, idempotency_key, content_digest, kind, careq_id, accepted_at, outcome, \
             settled_at) SELECT {event_id}, 'clinic_abc', 'status/' || n || '/hmac-sha256:' || md5('k' || n) || md5(n::text), \
             md5('c' || n) || md5(n::text), 'status', n, now(), 'updated', now() \
             FROM generate_series(1, {rows}) AS n"
        ),
        "ALTER TABLE events ADD PRIMARY KEY (event_id)".to_owned(),
        "CREATE UNIQUE INDEX events_idempotency_key ON events (clinic_id, idempotency_key)".to_owned(),
        // Or the server would do so by itself, in the midst of what is measured.
        "VACUUM ANALYZE events".to_owned(),
    ]
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Line>> {
    installation::with(async |empty| {
        installation::with(async |full| {
            for statement in filling(bench.sizes.ledger_rows) {
                full.database.execute_unprepared(&statement).await?;
            }
            // The system has gigabytes of it still to write, and would in the midst of the first measurements.
            Command::new("sync").status().await?;
            let mut seed = 0;
            let mut drain = async |installation: &Installation| {
                seed += 1;
                let events = backlog::publish(installation, seed, bench.sizes.smaller_backlog).await?;
                backlog::drain(bench, installation, 1, events).await
            };
            let mut pairs = Vec::new();
            for _ in 0..bench.sizes.repeats {
                empty.empty("events, parked_events, patients, doctors, services").await?;
                full.empty("parked_events, patients, doctors, services").await?;
                let limit = drain(empty).await?;
                pairs.push(Pair { limit, ours: drain(full).await? });
            }
            let rates = figures(&pairs, |drained| drained.per_second);
            let what = format!("drained behind {} rows", bench.sizes.ledger_rows);
            Ok(vec![
                Line::beside(what, Unit::PerSecond, "an empty ledger", &rates)
                    .with(Target::ratio_at_least(0.8)),
            ])
        })
        .await
    })
    .await
}
